"""What the SIP stack is asked, and what it tells: the border between ``sip`` and everything above it.

``calls`` speaks only in these words. A *session* is one INVITE usage with one
peer (RFC 3261 section 13): a dialog, or several early ones while forking, with
its offer/answer state. The stack is sans-I/O: each call of ``Endpoint`` returns
a list of outputs, in order, and the caller carries them out.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Literal, NewType

from softswitch.frozen import dataclass
from softswitch.sip.message import Request
from softswitch.sip.sdp import SessionDescription
from softswitch.sip.uri import Uri

__all__ = [
    "Accept",
    "AnswerOffer",
    "Answered",
    "Banned",
    "Binding",
    "Cause",
    "Confirmed",
    "Destination",
    "DialogState",
    "Ended",
    "Flow",
    "Hangup",
    "Identity",
    "Incoming",
    "Invite",
    "KeyPressed",
    "KeysRefused",
    "MakeOffer",
    "OfferFailed",
    "Output",
    "PressKeys",
    "Progress",
    "PutOnWire",
    "Reason",
    "RefuseOffer",
    "Registered",
    "Reject",
    "RemoteAnswer",
    "RemoteOffer",
    "Ring",
    "SessionCommand",
    "SessionEvent",
    "SessionId",
    "Transport",
    "TrunkReachability",
    "Unregistered",
]

SessionId = NewType("SessionId", str)
Transport = Literal["udp", "tcp"]


# Addresses ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flow:
    """A way that exists: a UDP pair of addresses or an open stream connection (RFC 5626 section 2).

    ``local`` and ``remote`` are numeric addresses with ports; ``connection`` tells
    streams between the same addresses apart and is 0 for UDP.
    """

    transport: Transport
    local: tuple[str, int]
    remote: tuple[str, int]
    connection: int = 0


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to send: the transport shell opens or finds a flow. ``host`` may be a name (RFC 3263)."""

    transport: Transport
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class PutOnWire:
    """Send these bytes. ``key`` comes back in ``Endpoint.transport_failed`` when that proves impossible."""

    to: Flow | Destination
    data: bytes
    key: str = ""


# Who ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom an incoming request was proved to come from.

    ``kind`` "person": digest-authenticated, ``name`` is the extension.
    ``kind`` "trunk": matched by the trunk's configured address, ``name`` is the trunk's.
    """

    kind: Literal["person", "trunk"]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """RFC 3326, for example ``Reason("SIP", 200, "Call completed elsewhere")``."""

    protocol: str
    cause: int
    text: str = ""


class Cause(StrEnum):
    """Why a session ended, in the words of the timeline."""

    REJECTED = "rejected"  # a final response of 300..699, see ``status``
    NO_RESPONSE = "no response"  # transaction timed out or transport failed: the device is not there
    CANCELLED = "cancelled"  # the caller gave up before the answer
    HUNG_UP = "hung up"  # BYE
    NO_ACK = "no ack"  # our 200 was never acknowledged (RFC 3261 section 13.3.1.4)
    SESSION_EXPIRED = "session expired"  # RFC 4028
    LOCAL = "local"  # we ended it: Hangup or Reject
    PROTOCOL = "protocol error"  # the peer broke a rule that the session cannot survive


# Commands: what calls ask of a session ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """Start a session as caller. ``offer`` None makes a late offer: the peer's 2xx carries the offer.

    ``account`` names the credentials that may answer a challenge; None answers none.
    ``patience``: seconds without any response after which the peer counts as not there; None waits 64*T1.
    ``caller``/``asserted``: From display and URI, and the P-Asserted-Identity of a trusted peer (RFC 3325).
    ``headers`` are extra header lines of our own making (never copied from a peer).
    """

    target: Uri
    to: Flow | Destination
    caller: tuple[str, Uri]
    callee: tuple[str, Uri]
    offer: SessionDescription | None
    asserted: tuple[str, Uri] | None = None
    privacy: bool = False
    account: str | None = None
    patience: float | None = None
    max_forwards: int = 70
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Callee side: send 180, or 183 with ``description`` as early media, reliably if the peer supports 100rel."""

    status: int = 180
    description: SessionDescription | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Callee side: send 200 with our answer, or with our offer if the INVITE had none."""

    description: SessionDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Callee side: send a final response of 300..699."""

    status: int
    reason: Reason | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangup:
    """End whatever the state: CANCEL, reject with 480, or BYE. Always leads to exactly one ``Ended``."""

    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeOffer:
    """Send a new offer (re-INVITE, or UPDATE before the answer); ``RemoteAnswer`` or ``OfferFailed`` follows."""

    description: SessionDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOffer:
    """Answer the pending ``RemoteOffer``."""

    description: SessionDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseOffer:
    """Refuse the pending ``RemoteOffer`` with this status (488 as a rule); the session goes on as it was."""

    status: int = 488


@dataclass(frozen=True, slots=True, kw_only=True)
class PressKeys:
    """Tell the peer keys by INFO, one after another; ``KeysRefused`` follows if it does not take them."""

    digits: str


SessionCommand = Ring | Accept | Reject | Hangup | MakeOffer | AnswerOffer | RefuseOffer | PressKeys


# Events: what sessions tell calls -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A new authenticated INVITE; 100 is sent already. Exactly one of Accept, Reject, Hangup or ``Ended`` follows.

    ``caller`` is display name and URI that may be believed for this identity:
    P-Asserted-Identity or From of a trunk, the account's own for a person.
    ``withheld``: the caller asked for privacy (RFC 3323).
    ``offer`` None: late offer; our Accept carries an offer and ``Confirmed`` the answer.
    ``takes_keys``: the peer says that it takes keys by INFO, which need not be so although it does not.
    """

    session: SessionId
    identity: Identity
    request: Request
    flow: Flow
    caller: tuple[str, Uri]
    withheld: bool
    offer: SessionDescription | None
    replaces: SessionId | None = None
    takes_keys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Caller side: a provisional response other than 100. ``description``: early media answer, reliable or not."""

    session: SessionId
    status: int
    description: SessionDescription | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Caller side: the first 2xx; ACK is sent already. ``description`` is the final answer.

    Later 2xx of other forks are acknowledged and ended with BYE by the session itself.
    ``offered``: our INVITE had no offer and ``description`` is the peer's; the ACK
    goes out with our answer, by AnswerOffer. RefuseOffer ends the session.
    ``takes_keys`` as in ``Incoming``.
    """

    session: SessionId
    description: SessionDescription
    offered: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    takes_keys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """Callee side: the ACK arrived, with the answer if our 200 carried the offer."""

    session: SessionId
    description: SessionDescription | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOffer:
    """A re-INVITE or UPDATE with an offer; ``description`` None asks us for an offer (re-INVITE without SDP).

    Must be answered with AnswerOffer or RefuseOffer before anything else of this session is processed.
    """

    session: SessionId
    description: SessionDescription | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAnswer:
    """The answer to our ``MakeOffer``, or (in an ACK) to an AnswerOffer that carried an offer."""

    session: SessionId
    description: SessionDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed:
    """The peer told a digit by INFO; ``duration`` in seconds."""

    session: SessionId
    digit: str
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRefused:
    """The peer did not take these keys of our ``PressKeys``: 408 where it never answered."""

    session: SessionId
    digits: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFailed:
    """Our ``MakeOffer`` was refused; the session goes on as it was. Glare (491) is retried by the session itself."""

    session: SessionId
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The last event: ``status`` of the final response that ended it, ``reason`` the peer's (RFC 3326)."""

    session: SessionId
    cause: Cause
    status: int = 0
    reason: Reason | None = None
    remote: bool = True


SessionEvent = (
    Incoming
    | Progress
    | Answered
    | Confirmed
    | RemoteOffer
    | RemoteAnswer
    | KeyPressed
    | KeysRefused
    | OfferFailed
    | Ended
)


# Registrations ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One registered contact of a person (RFC 3261 section 10). ``expires_at`` is monotonic seconds.

    ``reachable`` turns False when keep-alive OPTIONS or a call stay unanswered; the binding stays
    until it expires. ``waiting``: its connection died with the process before; it is not reachable
    until the phone registers again. ``path``: the proxies on the way to it (RFC 3327), nearest first.
    """

    person: str
    contact: Uri
    flow: Flow
    call_id: str
    cseq: int
    registered_at: float
    expires_at: float
    user_agent: str = ""
    path: tuple[str, ...] = ()
    reachable: bool = True
    waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A binding was added, refreshed, or changed its reachability."""

    binding: Binding
    change: Literal["added", "refreshed", "reachable", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unregistered:
    """A binding is gone."""

    binding: Binding
    why: Literal["removed", "expired", "replaced", "connection closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkReachability:
    """A trunk is taken for dead, or taken back; ``why`` in a few words."""

    trunk: str
    reachable: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Banned:
    """From ``source`` nobody may be ``account`` for so many seconds: too many wrong passwords."""

    source: str
    account: str
    seconds: float


Output = PutOnWire | SessionEvent | Registered | Unregistered | TrunkReachability | Banned


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogState:
    """All that is needed to release a peer after a crash; plain strings and numbers for the journal.

    ``phase`` decides how: "confirmed" by BYE; "calling" by a CANCEL of our INVITE,
    whose Via is in ``vias``; "called" by a final response to the peer's INVITE, with
    its Via values and ``remote_cseq``. ``local`` of ("", 0): no flow was known yet.
    """

    session: SessionId
    call_id: str
    local_uri: str
    local_tag: str
    remote_uri: str
    remote_tag: str
    remote_target: str
    local_cseq: int
    routes: tuple[str, ...]
    transport: Transport
    remote: tuple[str, int]
    local: tuple[str, int] = field(default=("", 0))
    phase: Literal["confirmed", "calling", "called"] = "confirmed"
    vias: tuple[str, ...] = ()
    remote_cseq: int = 0
