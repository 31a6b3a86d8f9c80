"""The transaction layer: matches messages to transactions and decides where bytes go (RFC 3261 sections 17 and 18).

Two steps keep storms cheap: ``receive`` absorbs what belongs to a known
transaction and hands any other request up as ``RequestArrived`` with nothing
allocated. The user then either answers it with ``reply_stateless`` and forgets
it (RFC 3261 section 8.2.7), or calls ``accept`` and owns a server transaction.

Every call returns outputs to be carried out in order. ``PutOnWire`` is for the
transports, all others are for the user. A ``TransactionKey`` is printable; it
is mentioned for the last time in ``Finished``. When a transport reports that
the bytes of a key could not be sent, call ``transport_failed`` with that key.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Iterable

from softswitch.clock import Deadlines
from softswitch.ids import Ids
from softswitch.sip.events import Destination, Flow, PutOnWire
from softswitch.sip.layer_entries import Client, Server, Spent
from softswitch.sip.layer_outputs import (
    AckArrived,
    CancelArrived,
    Failed,
    Finished,
    LayerOutput,
    RequestArrived,
    ResponseArrived,
    ServerTimedOut,
    StrayResponse,
)
from softswitch.sip.message import Request, Response
from softswitch.sip.transaction import (
    Cancel,
    ClientOutput,
    Deliver,
    InviteClient,
    InviteServer,
    NonInviteClient,
    NonInviteServer,
    Send,
    ServerOutput,
    TimedOut,
    Timers,
    TransportFailed,
    cancel_for,
)
from softswitch.sip.via import (
    Hop,
    TransactionKey,
    address_of,
    client_key,
    describe_way,
    hop_of,
    merge_key,
    note_source,
    own_via,
)

__all__ = [
    "LARGEST_DATAGRAM_REQUEST",
    "AckArrived",
    "CancelArrived",
    "Failed",
    "Finished",
    "LayerOutput",
    "RequestArrived",
    "ResponseArrived",
    "ServerTimedOut",
    "StrayResponse",
    "TransactionKey",
    "TransactionLayer",
]

# RFC 3261 section 18.1.1: larger requests must use a congestion-controlled transport.
LARGEST_DATAGRAM_REQUEST = 1300
# How long, and for how many peers, a refused switch to TCP is remembered.
UDP_ONLY_LIFE, UDP_ONLY_PEERS = 600.0, 1000


class TransactionLayer:
    """All transactions of one SIP stack.

    ``via_host(to)`` returns host and port that ``to`` can reach us at, for the
    sent-by of our Vias. ``server_header`` goes into responses made here.
    ``secret`` makes stateless To tags survive a restart.
    """

    def __init__(
        self,
        ids: Ids,
        timers: Timers,
        via_host: Callable[[Flow | Destination], tuple[str, int]],
        server_header: str = "",
        secret: bytes = b"",
    ) -> None:
        self._ids, self._timers, self._via_host, self._server_header = ids, timers, via_host, server_header
        self._clients: dict[str, Client] = {}
        self._servers: dict[str, Server] = {}
        self._spent: dict[str, Spent] = {}
        self._merges: dict[tuple[str, str, str], TransactionKey] = {}
        self._deadlines: Deadlines[TransactionKey] = Deadlines()
        # The request handed up last and its hop: as a rule it is accepted or answered at once.
        self._arrived: tuple[Request, Hop] | None = None
        self._udp_only: dict[tuple[str, int], float] = {}
        self._tag_secret = secret or ids.token(160).encode()
        self.counters: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers) + len(self._spent)

    @property
    def deadline(self) -> float | None:
        return self._deadlines.next

    def describe(self) -> list[str]:
        """Return one line per transaction: key, state, where to, running timers."""
        entries: list[Client | Server] = [*self._clients.values(), *self._servers.values()]
        running = [f"{e.key} {e.machine.state} to {describe_way(e.to)} [{e.machine.running}]" for e in entries]
        return running + [f"{key} completed to {describe_way(spent.to)}" for key, spent in self._spent.items()]

    # What the network brings ----------------------------------------------------------------------------------------

    def receive(self, message: Request | Response, flow: Flow, now: float) -> list[LayerOutput]:
        """Take one parsed message; a request's topmost Via gets ``received`` and ``rport`` (RFC 3581 section 4)."""
        if isinstance(message, Response):
            return self._receive_response(message, flow, now)
        hop = hop_of(message, flow)
        note_source(message, flow)
        self._arrived = (message, hop)
        match message.method:
            case "ACK":
                return self._receive_ack(message, hop, flow, now)
            case "CANCEL":
                return self._receive_cancel(message, hop, flow, now)
        key = hop.key(message.method)
        entry = self._servers.get(key)
        if entry is None:
            spent = self._spent.get(key)
            return [RequestArrived(message, flow)] if spent is None else self._repeat(key, spent)
        self.counters["retransmitted request"] += 1
        return self._server_outputs(entry, entry.machine.receive(message, now), flow)

    def _repeat(self, key: TransactionKey, spent: Spent) -> list[LayerOutput]:
        self.counters["retransmitted request"] += 1
        return [PutOnWire(spent.to, spent.data, key)]

    def _receive_ack(self, request: Request, hop: Hop, flow: Flow, now: float) -> list[LayerOutput]:
        entry = self._servers.get(hop.key("INVITE"))
        if entry is None:
            return [AckArrived(request, flow)]
        return self._server_outputs(entry, entry.machine.receive(request, now), flow)

    def _receive_cancel(self, request: Request, hop: Hop, flow: Flow, now: float) -> list[LayerOutput]:
        key = hop.key("CANCEL")
        known = self._servers.get(key)
        if known is not None:
            return self._server_outputs(known, known.machine.receive(request, now), flow)
        spent = self._spent.get(key)
        if spent is not None:
            return self._repeat(key, spent)
        invite = self._servers.get(hop.key("INVITE"))
        # A CANCEL cannot be challenged (RFC 3261 section 22.1); it must at least come from the host of the INVITE.
        if invite is None or invite.source != flow.remote[0]:
            self.counters["stray CANCEL"] += 1
            return self.reply_stateless(request, self._own_reply(request, 481, self.stateless_tag(request)), flow)
        # RFC 3261 section 9.2: the To tags of both transactions' responses should be the same.
        tag = invite.to_tag or (invite.last.to.tag if invite.last is not None else None) or self.stateless_tag(request)
        cancel, outputs = self._open_server(request, flow, now)
        cancel.silent = True
        outputs += self.respond(cancel.key, self._own_reply(request, 200, tag), now)
        if invite.machine.state == "proceeding":
            outputs.append(CancelArrived(invite.key, request))
        return outputs

    def _receive_response(self, response: Response, flow: Flow, now: float) -> list[LayerOutput]:
        if len(response.vias) != 1:
            self.counters["response with foreign Via"] += 1  # RFC 3261 section 8.1.3.3: misrouted
            return []
        method = response.cseq.method
        # Section 18.1.2 also compares sent-by. Our branches cannot be guessed, and a NAT may rewrite sent-by.
        entry = self._clients.get(client_key(response.via.branch, method))
        if entry is not None:
            return self._client_outputs(entry, entry.machine.receive(response, now), flow, now)
        if method == "INVITE" and 200 <= response.status < 300:
            return [StrayResponse(response, flow)]
        self.counters["stray response"] += 1
        return []

    # Requests of others ---------------------------------------------------------------------------------------------

    def accept(
        self, request: Request, flow: Flow, now: float, to_tag: str | None = None
    ) -> tuple[TransactionKey, list[LayerOutput]]:
        """Open the server transaction of a request that ``RequestArrived`` brought; it absorbs retransmissions.

        An INVITE is answered 100 after 200 ms if the user is slower. ``to_tag`` is
        the tag that the user will answer with, for the 200 of a CANCEL.
        """
        entry, outputs = self._open_server(request, flow, now)
        entry.to_tag = to_tag
        merge = merge_key(request)
        if merge is not None and merge not in self._merges:
            entry.merge = merge
            self._merges[merge] = entry.key
        return entry.key, outputs

    def is_merged(self, request: Request) -> bool:
        """True if this out-of-dialog request came by another path too: answer 482 (RFC 3261 section 8.2.2.2)."""
        merge = merge_key(request)
        return merge is not None and merge in self._merges

    def respond(self, key: TransactionKey, response: Response, now: float) -> list[LayerOutput]:
        """Send a response in a server transaction, unless its state or RFC 4320 forbids it, or it is gone."""
        entry = self._servers.get(key)
        if entry is None:
            return []
        entry.last = response
        return self._server_outputs(entry, entry.machine.send(response, now), None)

    def reply_stateless(self, request: Request, response: Response, flow: Flow) -> list[LayerOutput]:
        """Answer a request that came by ``RequestArrived`` and keep nothing (RFC 3261 section 8.2.7)."""
        return [PutOnWire(self._hop(request, flow).way_back, response.encode())]

    def stateless_tag(self, request: Request) -> str:
        """Return a To tag that is the same for each retransmission of this request and cannot be guessed by others."""
        headers = request.headers
        same = f"{headers.get('Call-ID')}\n{headers.get('From')}\n{headers.get('CSeq')}"
        return hmac.digest(self._tag_secret, same.encode("utf-8", "replace"), "sha256").hex()[:16]

    # Requests of our own --------------------------------------------------------------------------------------------

    def request(self, request: Request, to: Flow | Destination, now: float) -> tuple[TransactionKey, list[LayerOutput]]:
        """Send a request (not ACK or CANCEL) in a new client transaction.

        The caller's request is left as it is; what goes out is a copy with our Via
        as its only one. Above 1300 bytes TCP is used, and UDP after all if that fails.
        """
        branch = self._ids.branch()
        entry = self._new_client(request, to, branch)
        too_large = to.transport == "udp" and len(entry.data) > LARGEST_DATAGRAM_REQUEST
        if too_large and not self._is_udp_only(address_of(to), now):
            entry = self._new_client(request, Destination("tcp", *address_of(to)), branch)
            entry.fallback = to
        return entry.key, self._start_client(entry, now)

    def sent(self, key: TransactionKey) -> tuple[Request, Flow | Destination] | None:
        """Return a request of ours as it went out, with its Via, and where to; None once its transaction is gone.

        Nor is an INVITE that was accepted there any more, but for its ``sent_bytes``.
        """
        entry = self._clients.get(key)
        return None if entry is None or self.is_accepted(key) else (entry.machine.request, entry.to)

    def sent_bytes(self, key: TransactionKey) -> bytes:
        """Return an INVITE of ours as it went out, also after its answer; b"" once its transaction is gone."""
        entry = self._clients.get(key)
        return b"" if entry is None else entry.data

    def is_accepted(self, key: TransactionKey) -> bool:
        """Whether an INVITE of ours was answered 2xx, so that its transaction only passes on further ones."""
        entry = self._clients.get(key)
        return entry is not None and entry.machine.state == "accepted"

    def unanswered(self, key: TransactionKey) -> bool:
        """Whether a request of ours waits for its final response."""
        entry = self._clients.get(key)
        return entry is not None and entry.machine.state in ("calling", "trying", "proceeding")

    def resume(self, request: Request, to: Flow | Destination) -> TransactionKey:
        """Take up an INVITE that a process now dead sent with this Via: nothing is sent, it waits for ``cancel``."""
        machine = InviteClient(request, self._timers, reliable=to.transport == "tcp")
        machine.resume()
        entry = Client(client_key(request.via.branch, "INVITE"), machine, to)
        self._clients[entry.key] = entry
        return entry.key

    def send_stateless(self, message: Request | Response, to: Flow | Destination) -> list[LayerOutput]:
        """Send a message outside of all transactions, above all the ACK of a 2xx.

        A request gets our Via; keep the output to send the same ACK again. It never
        changes to TCP for its size: without a transaction it could not fall back.
        """
        if isinstance(message, Request):
            message = self._with_via(message, to, self._ids.branch())
        return [PutOnWire(to, message.encode())]

    def cancel(self, key: TransactionKey, now: float, headers: tuple[tuple[str, str], ...] = ()) -> list[LayerOutput]:
        """Cancel an INVITE of ours as soon as RFC 3261 section 9.1 allows; ``headers`` are extra lines such as Reason.

        A final response or ``Failed`` still follows, within 64*T1 of the CANCEL at the latest.
        """
        entry = self._clients.get(key)
        if entry is None or not isinstance(entry.machine, InviteClient):
            return []
        entry.cancel_headers = headers
        return self._client_outputs(entry, entry.machine.cancel(now), None, now)

    # Time and trouble -----------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[LayerOutput]:
        """Run all timers that are due."""
        outputs: list[LayerOutput] = []
        while (key := self._deadlines.due(now)) is not None:
            if (client := self._clients.get(key)) is not None:
                steps = client.machine.tick(now)
                self._count_again(steps)
                outputs += self._client_outputs(client, steps, None, now)
            elif (server := self._servers.get(key)) is not None:
                steps_back = server.machine.tick(now)
                self._count_again(steps_back)
                outputs += self._server_outputs(server, steps_back, None)
            elif (spent := self._spent.pop(key, None)) is not None:
                if spent.merge is not None:
                    self._merges.pop(spent.merge, None)
                if not spent.silent:
                    outputs.append(Finished(key))
        return outputs

    def _count_again(self, steps: Iterable[ClientOutput | ServerOutput]) -> None:
        # What a timer sends went before, but for the 100 that waits whether something better comes.
        for step in steps:
            if isinstance(step, Send) and not (isinstance(step.message, Response) and step.message.status == 100):
                self.counters["retransmission"] += 1

    def transport_failed(self, key: TransactionKey, now: float) -> list[LayerOutput]:
        """Learn that the last bytes put on the wire for ``key`` could not be sent.

        A request that went by TCP only for its size is sent by UDP; a response whose
        stream is gone is sent over a new one (RFC 3261 sections 18.1.1 and 18.2.2).
        """
        client = self._clients.get(key)
        if client is not None:
            if client.fallback is not None and client.machine.state in ("calling", "trying"):
                return self._fall_back_to_udp(client, client.fallback, now)
            late = client.machine.state == "completed"  # only the ACK got lost; the user has its answer
            outputs = self._client_outputs(client, client.machine.transport_failed(now), None, now)
            return [output for output in outputs if not isinstance(output, Failed)] if late else outputs
        server = self._servers.get(key)
        if server is None:
            spent = self._spent.get(key)
            return [] if spent is None or spent.silent else [Failed(key, "transport")]
        if server.reopen and server.data:
            server.reopen = False
            via = server.machine.request.via
            server.to = Destination("tcp", server.source, via.port or 5060)
            return [PutOnWire(server.to, server.data, key)]
        return self._server_outputs(server, server.machine.transport_failed(now), None)

    # Inside ---------------------------------------------------------------------------------------------------------

    def _open_server(self, request: Request, flow: Flow, now: float) -> tuple[Server, list[LayerOutput]]:
        hop = self._hop(request, flow)
        key = hop.key(request.method)
        known = self._servers.get(key)
        if known is not None:
            return known, []
        machine = (InviteServer if request.method == "INVITE" else NonInviteServer)(
            request, self._timers, reliable=flow.transport == "tcp"
        )
        entry = self._servers[key] = Server(key, machine, hop.way_back)
        return entry, self._server_outputs(entry, machine.start(now), None)

    def _hop(self, request: Request, flow: Flow) -> Hop:
        if self._arrived is not None and self._arrived[0] is request:
            return self._arrived[1]
        return hop_of(request, flow)

    def _new_client(self, request: Request, to: Flow | Destination, branch: str) -> Client:
        ours = self._with_via(request, to, branch)
        machine = (InviteClient if request.method == "INVITE" else NonInviteClient)(
            ours, self._timers, reliable=to.transport == "tcp"
        )
        entry = Client(client_key(branch, request.method), machine, to)
        entry.encoded, entry.data = ours, ours.encode()
        return entry

    def _start_client(self, entry: Client, now: float) -> list[LayerOutput]:
        self._clients[entry.key] = entry
        return self._client_outputs(entry, entry.machine.start(now), None, now)

    def _fall_back_to_udp(self, client: Client, to: Flow | Destination, now: float) -> list[LayerOutput]:
        self.counters["fall-back to UDP"] += 1
        self._udp_only.pop(address_of(to), None)
        if len(self._udp_only) >= UDP_ONLY_PEERS:
            del self._udp_only[next(iter(self._udp_only))]
        self._udp_only[address_of(to)] = now + UDP_ONLY_LIFE
        branch = client.machine.request.via.branch or ""
        again = self._new_client(client.machine.request, to, branch)
        outputs = self._start_client(again, now)
        if client.cancel_headers is not None:
            outputs += self.cancel(again.key, now, client.cancel_headers)
        return outputs

    def _is_udp_only(self, peer: tuple[str, int], now: float) -> bool:
        return self._udp_only.get(peer, now) > now

    def _start_cancel(self, invite: Client, now: float) -> list[LayerOutput]:
        request = cancel_for(invite.machine.request, invite.cancel_headers or ())
        machine = NonInviteClient(request, self._timers, reliable=invite.machine.reliable)
        entry = Client(client_key(request.via.branch, "CANCEL"), machine, invite.to)
        entry.silent = True
        return self._start_client(entry, now)

    def _with_via(self, request: Request, to: Flow | Destination, branch: str) -> Request:
        via = own_via(to, self._via_host(to), branch)
        # Via comes first: nobody may rely on that (RFC 3261 section 7.3.1), but people expect it.
        return Request(request.method, request.uri, request.headers.under(via), request.body)

    def _own_reply(self, request: Request, status: int, to_tag: str) -> Response:
        response = request.reply(status, to_tag=to_tag)
        if self._server_header:
            response.headers.set("Server", self._server_header)
        return response

    def _client_outputs(
        self, entry: Client, steps: list[ClientOutput], flow: Flow | None, now: float
    ) -> list[LayerOutput]:
        """Translate what a client machine said; ``flow`` is where the response came from that made it speak."""
        key = entry.key
        outputs: list[LayerOutput] = []
        for step in steps:
            match step:
                case Send(message):
                    if message is not entry.encoded:
                        entry.encoded, entry.data = message, message.encode()
                    outputs.append(PutOnWire(entry.to, entry.data, key))
                case Deliver(message) if flow is not None and not entry.silent:
                    outputs.append(ResponseArrived(key, message, flow))
                case Cancel():
                    outputs += self._start_cancel(entry, now)
                case TimedOut() if not entry.silent:
                    outputs.append(Failed(key, "timeout"))
                case TransportFailed() if not entry.silent:
                    outputs.append(Failed(key, "transport"))
        if entry.machine.state == "terminated":
            if self._clients.pop(key, None) is not None and not entry.silent:
                outputs.append(Finished(key))
            self._deadlines.set(key, None)
        else:
            self._deadlines.set(key, entry.machine.deadline)
            if entry.encoded is not None and entry.machine.state == "accepted":
                # Only its bytes may be asked for any more, see ``sent_bytes``.
                entry.encoded = None
                del entry.machine.request
        return outputs

    def _server_outputs(self, entry: Server, steps: list[ServerOutput], flow: Flow | None) -> list[LayerOutput]:
        """Translate what a server machine said; ``flow`` is where the request came from that made it speak."""
        key = entry.key
        outputs: list[LayerOutput] = []
        for step in steps:
            match step:
                case Send(message):
                    if message is not entry.encoded:
                        entry.encoded, entry.data = message, message.encode()
                    outputs.append(PutOnWire(entry.to, entry.data, key))
                case Deliver(message) if flow is not None:
                    outputs.append(AckArrived(message, flow))
                case TimedOut() if not entry.silent:
                    outputs.append(ServerTimedOut(key))
                case TransportFailed() if not entry.silent:
                    outputs.append(Failed(key, "transport"))
        if entry.machine.state == "terminated":
            if self._servers.pop(key, None) is not None and not entry.silent:
                outputs.append(Finished(key))
            if entry.merge is not None:
                self._merges.pop(entry.merge, None)
            self._deadlines.set(key, None)
            return outputs
        self._deadlines.set(key, entry.machine.deadline)
        if not entry.machine.reliable and entry.encoded is not None:
            if entry.machine.state == "accepted":
                # The dialog has its 2xx; whatever else comes is absorbed or handed up.
                entry.last = entry.encoded = None
                entry.data = b""
                if hasattr(entry.machine, "request"):
                    del entry.machine.request
            elif entry.machine.state == "completed" and isinstance(entry.machine, NonInviteServer):
                self._spent[key] = Spent(entry)
                del self._servers[key]
        return outputs
