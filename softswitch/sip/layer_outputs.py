"""What the transaction layer tells its user, and what it wants on the wire."""

from __future__ import annotations

from typing import Literal

from softswitch.frozen import dataclass
from softswitch.sip.events import Flow, PutOnWire
from softswitch.sip.message import Request, Response
from softswitch.sip.via import TransactionKey

__all__ = [
    "AckArrived",
    "CancelArrived",
    "Failed",
    "Finished",
    "LayerOutput",
    "RequestArrived",
    "ResponseArrived",
    "ServerTimedOut",
    "StrayResponse",
]


@dataclass(frozen=True, slots=True)
class RequestArrived:
    """A request (not ACK or CANCEL) of no known transaction; nothing is allocated until it is accepted."""

    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class AckArrived:
    """An ACK that no transaction absorbs: for a 2xx, or stray."""

    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class CancelArrived:
    """A CANCEL for the INVITE ``key``, answered 200 already. Told only while the INVITE has no final response."""

    key: TransactionKey
    request: Request


@dataclass(frozen=True, slots=True)
class ResponseArrived:
    """A response to our request ``key``: any number of 1xx, then one final one (several 2xx to an INVITE)."""

    key: TransactionKey
    response: Response
    flow: Flow


@dataclass(frozen=True, slots=True)
class StrayResponse:
    """A 2xx to an INVITE whose transaction is gone; if the dialog is known its ACK is to be sent again."""

    response: Response
    flow: Flow


@dataclass(frozen=True, slots=True)
class Failed:
    """Client: no final response will come (count it as 408 or 503). Server: a response could not be sent."""

    key: TransactionKey
    why: Literal["timeout", "transport"]


@dataclass(frozen=True, slots=True)
class ServerTimedOut:
    """Our non-2xx final response to an INVITE was never acknowledged."""

    key: TransactionKey


@dataclass(frozen=True, slots=True)
class Finished:
    """The transaction is gone; its key will not be mentioned again."""

    key: TransactionKey


LayerOutput = (
    PutOnWire
    | RequestArrived
    | AckArrived
    | CancelArrived
    | ResponseArrived
    | StrayResponse
    | Failed
    | ServerTimedOut
    | Finished
)
