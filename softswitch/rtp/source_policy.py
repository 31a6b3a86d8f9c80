"""Whose media packets are believed, and where ours go.

The address that the peer signalled is believed at once. Any other must first
prove itself while we are learning: packets in sequence with one SSRC and an
agreed payload type, and none of the signalled address meanwhile. From a host
that signalling has named (in SDP, or because SIP comes from there: a phone
behind NAT, another port of a media server) four are enough.

A stranger is not believed, however long he keeps it up: who sprays a whole range
of ports (RTP bleed) is one. There is one exception. A peer whose SDP shows a
private address though its SIP comes from a public one is behind a NAT, and where
a proxy stands between, or the NAT has several addresses, its packets come from a
host that nobody has named. Such a stranger is believed when the call is no longer
young, nobody was heard in it yet, and he was there before every other stranger.

Then the source is locked. Learning begins again only when a new address is
signalled or the peer fell silent; after that only hosts that are named, or were
believed before, can prove themselves. Until a source is proven, nothing is sent
anywhere but to the signalled address.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Address", "SourcePolicy", "Verdict"]

Address = tuple[str, int]

PROOF = 4
"""Packets in sequence that prove a source at a host that signalling has named."""

STRANGER, STRANGER_MS = 100, 2000
"""The same at any other host where that can be believed at all, and for how long it must have kept it up."""

YOUNG_MS = 5000
"""So long after an address was signalled no stranger is believed."""

CANDIDATES = 4
"""Sources that may try at the same time; the one that was silent longest gives way."""


class Verdict(IntEnum):
    DROP = 0
    ACCEPT = 1
    LATCHED = 2
    """Accepted, and ours go there from now on."""


PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
"""RFC 1918, RFC 6598, RFC 3927, RFC 4193: addresses that mean something on their own side of a NAT."""


@dataclass(slots=True)
class _Candidate:
    ssrc: int = 0
    next: int = 0
    count: int = 0
    since: int = 0
    heard: int = 0


def _is_private(host: str) -> bool:
    address = ipaddress.ip_address(host)
    return any(address in network for network in PRIVATE)


class SourcePolicy:
    """The one judge of a port's sources: RTP asks ``receive``, RTCP asks ``control``. Times are milliseconds."""

    def __init__(self) -> None:
        self.signalled: Address | None = None
        self.current: Address | None = None
        self.signaller: str | None = None
        self._learning = self._hidden = self._proven = False
        self._signalled_at = 0
        self._candidates: OrderedDict[Address, _Candidate] = OrderedDict()

    @property
    def target(self) -> Address | None:
        """Where to send: the proven source, else the signalled address; None is nowhere."""
        return self.current or self.signalled

    def signal(self, remote: Address | None, signaller: str | None = None, now: int = 0) -> bool:
        """Take the address of an offer or answer; return whether it opened a new learning window.

        ``signaller`` is the host that the peer's SIP comes from, None while it is not known.
        """
        self.signaller = signaller
        self._hidden = bool(remote and signaller and _is_private(remote[0]) and not _is_private(signaller))
        if remote == self.signalled:
            return False
        self.signalled, self.current = remote, None
        self._candidates.clear()
        self._learning, self._proven, self._signalled_at = remote is not None, False, now
        return True

    def relearn(self) -> None:
        """Open a learning window after a media timeout; until it closes, ours go where they went."""
        self._candidates.clear()
        self._learning = self.signalled is not None

    def receive(self, source: Address, expected: bool, ssrc: int, sequence: int, now: int = 0) -> Verdict:
        """Judge one RTP packet; ``expected`` tells that its payload type was agreed."""
        if not self._learning:
            return Verdict.ACCEPT if self.current is not None and source == self.current else Verdict.DROP
        if source in (self.signalled, self.current):
            return self._lock(source)
        if not expected:
            return Verdict.DROP
        candidate = self._candidate(source)
        if candidate.count and candidate.ssrc == ssrc and candidate.next == sequence:
            candidate.count = min(candidate.count + 1, 255)
        else:
            candidate.count, candidate.since = 1, now
        candidate.ssrc, candidate.next, candidate.heard = ssrc, (sequence + 1) % 65_536, now
        return self._lock(source) if self._proves(source[0], candidate, now) else Verdict.DROP

    def _proves(self, host: str, candidate: _Candidate, now: int) -> bool:
        if host == self.signaller or any(named and host == named[0] for named in (self.signalled, self.current)):
            return candidate.count >= PROOF
        if not self._hidden or self._proven or candidate.count < STRANGER:
            return False
        if now - self._signalled_at < YOUNG_MS or now - candidate.since < STRANGER_MS:
            return False
        alive = [other for other in self._candidates.values() if now - other.heard < STRANGER_MS]
        return all(other.since >= candidate.since for other in alive)

    def control(self, source: Address) -> bool:
        """Judge one RTCP packet: it may come from any port of the host that RTP is believed from."""
        return self.target is not None and source[0] == self.target[0]

    def _lock(self, source: Address) -> Verdict:
        moved = source != self.current
        self.current = source
        self._learning, self._proven = False, True
        return Verdict.LATCHED if moved else Verdict.ACCEPT

    def _candidate(self, source: Address) -> _Candidate:
        if source not in self._candidates:
            if len(self._candidates) == CANDIDATES:
                self._candidates.popitem(last=False)
            self._candidates[source] = _Candidate()
        self._candidates.move_to_end(source)
        return self._candidates[source]
