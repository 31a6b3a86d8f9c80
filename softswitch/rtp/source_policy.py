"""Whose media packets are believed, and where ours go.

The address that the peer signalled is believed at once. Any other (a peer
behind NAT, a wrong SDP) must first prove itself while we are learning: packets
in sequence with one SSRC and an agreed payload type, and none of the signalled
address meanwhile. From the host that signals, or the one it named, four are
enough; a stranger must keep it up for two seconds, so that who sprays a whole
range of ports (RTP bleed) proves nothing. Then the source is locked. Learning begins again
only when a new address is signalled or the peer fell silent. Until a source is
proven, nothing is sent anywhere but to the signalled address (RTP bleed).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Address", "SourcePolicy", "Verdict"]

Address = tuple[str, int]

PROOF = 4
"""Packets in sequence that prove a source at a host that signalling has named."""

STRANGER = 100
"""The same at any other host: two seconds."""

CANDIDATES = 4
"""Sources that may try at the same time; the one that was silent longest gives way."""


class Verdict(IntEnum):
    DROP = 0
    ACCEPT = 1
    LATCHED = 2
    """Accepted, and ours go there from now on."""


@dataclass(slots=True)
class _Candidate:
    ssrc: int = 0
    next: int = 0
    count: int = 0


class SourcePolicy:
    """The one judge of a port's sources: RTP asks ``receive``, RTCP asks ``control``."""

    def __init__(self) -> None:
        self.signalled: Address | None = None
        self.current: Address | None = None
        self.signaller: str | None = None
        self._learning = False
        self._candidates: OrderedDict[Address, _Candidate] = OrderedDict()

    @property
    def target(self) -> Address | None:
        """Where to send: the proven source, else the signalled address; None is nowhere."""
        return self.current or self.signalled

    def signal(self, remote: Address | None, signaller: str | None = None) -> bool:
        """Take the address of an offer or answer; return whether it opened a new learning window.

        ``signaller`` is the host that the peer's SIP comes from; while it is not known, nobody is a stranger.
        """
        self.signaller = signaller
        if remote == self.signalled:
            return False
        self.signalled, self.current = remote, None
        self._candidates.clear()
        self._learning = remote is not None
        return True

    def relearn(self) -> None:
        """Open a learning window after a media timeout; until it closes, ours go where they went."""
        self._candidates.clear()
        self._learning = self.signalled is not None

    def receive(self, source: Address, expected: bool, ssrc: int, sequence: int) -> Verdict:
        """Judge one RTP packet; ``expected`` tells that its payload type was agreed."""
        if not self._learning:
            return Verdict.ACCEPT if self.current is not None and source == self.current else Verdict.DROP
        if source in (self.signalled, self.current):
            return self._lock(source)
        if not expected:
            return Verdict.DROP
        candidate = self._candidate(source)
        in_order = candidate.count and candidate.ssrc == ssrc and candidate.next == sequence
        candidate.count = candidate.count + 1 if in_order else 1
        candidate.ssrc, candidate.next = ssrc, (sequence + 1) % 65_536
        named = self.signaller is None or source[0] == self.signaller
        named = named or (self.signalled is not None and source[0] == self.signalled[0])
        return self._lock(source) if candidate.count >= (PROOF if named else STRANGER) else Verdict.DROP

    def control(self, source: Address) -> bool:
        """Judge one RTCP packet: it may come from any port of the host that RTP is believed from."""
        return self.target is not None and source[0] == self.target[0]

    def _lock(self, source: Address) -> Verdict:
        moved = source != self.current
        self.current = source
        self._learning = False
        return Verdict.LATCHED if moved else Verdict.ACCEPT

    def _candidate(self, source: Address) -> _Candidate:
        if source not in self._candidates:
            if len(self._candidates) == CANDIDATES:
                self._candidates.popitem(last=False)
            self._candidates[source] = _Candidate()
        self._candidates.move_to_end(source)
        return self._candidates[source]
