"""What the transaction layer keeps of each transaction."""

from __future__ import annotations

from softswitch.sip.events import Destination, Flow
from softswitch.sip.message import Request, Response
from softswitch.sip.transaction import InviteClient, InviteServer, NonInviteClient, NonInviteServer
from softswitch.sip.via import TransactionKey

__all__ = ["Client", "Server", "Spent"]


class Client:
    """A client transaction and where it sends. ``silent``: our CANCEL, whose fate interests nobody."""

    __slots__ = ("cancel_headers", "data", "encoded", "fallback", "key", "machine", "silent", "to")

    def __init__(self, key: TransactionKey, machine: InviteClient | NonInviteClient, to: Flow | Destination) -> None:
        self.key, self.machine, self.to = key, machine, to
        self.cancel_headers: tuple[tuple[str, str], ...] | None = None
        self.fallback: Flow | Destination | None = None  # where to go by UDP when TCP was only chosen for the size
        self.silent = False
        self.encoded: Request | None = None
        self.data = b""


class Server:
    """A server transaction and the way back. ``reopen``: where to connect when the stream of the request is gone."""

    __slots__ = ("data", "encoded", "key", "last", "machine", "merge", "reopen", "silent", "source", "to", "to_tag")

    def __init__(self, key: TransactionKey, machine: InviteServer | NonInviteServer, way_back: Flow) -> None:
        self.key, self.machine = key, machine
        self.source = way_back.remote[0]
        self.to: Flow | Destination = way_back
        self.reopen = way_back.transport == "tcp"
        self.merge: tuple[str, str, str] | None = None
        self.silent = False
        self.to_tag: str | None = None
        self.last: Response | None = None
        self.encoded: Response | None = None
        self.data = b""


class Spent:
    """What a server transaction over UDP needs while it only absorbs retransmissions: its answer's bytes, for timer J.

    Half a minute of these is most of what a busy stack holds: as whole objects they
    took 100 kB and a garbage collection of half a second at 150 calls a second.
    """

    __slots__ = ("data", "merge", "silent", "to")

    def __init__(self, entry: Server) -> None:
        self.data, self.to, self.merge, self.silent = entry.data, entry.to, entry.merge, entry.silent
