"""Play-out: packets at any time in, exactly one frame of 20 ms per call out.

Sound is decoded into a line of samples of which the last 50 ms that were played
are kept: losses are concealed out of them, and the line is stretched where that
is inaudible, so that the delay follows the target of ``Delay``. A frame is
taken at fixed moments, so a packet waits for the moment at which its first
sample is wanted; the offset of that sample within its frame is delay without
use, which stretching and pauses bring back to nothing.

Positions are RTP timestamps, unwrapped; what is concealed while packets are
missing is a gap and moves none, so a packet that comes late after all is heard,
a little later. Times are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np

from softswitch.rtp import stretch
from softswitch.rtp.cn import ORDER, ComfortNoise
from softswitch.rtp.delay import Delay
from softswitch.rtp.pitch import Pcm
from softswitch.rtp.plc import PAST_MS, Concealment

__all__ = ["Decoder", "Kind", "Playout", "Put", "State"]

PACKETS = 32
GIVE_UP = 10
"""Missing frames in a row after which the next packet starts anew (a pause, not a loss)."""
DTX = 25
"""The same for a sender of Opus that pauses: a packet comes in 400 ms (RFC 7587 section 3.1.3)."""
SLACK_MS, HURRY_MS, SKIP_MS = 3, 60, 300
"""How far above the target sound is taken out; at any likeness; packets are thrown away."""
WARY, WARIEST = 100, 1000
"""Frames that a loss is remembered for: 1 % of them keeps the memory where it is."""
REST = 2
"""Frames between two stretches, unless it is urgent."""
QUIET, NOISY = 10_000, 150_000
"""Mean squares below which nobody speaks (-50 dBov) and above which somebody does (-38 dBov), whatever the noise."""
PIECE_MS = 20
LONGEST = 1276
"""Bytes of a payload that cannot be cut (RFC 6716 section 3.2.1, rounded up)."""


class Decoder(Protocol):
    """One codec with its state; ``rate`` of its samples and ``clock`` of its timestamps in Hz."""

    rate: int
    clock: int
    piece: int
    """Payload bytes of 20 ms, where payloads can be cut at any sample; else 0."""
    conceals: bool
    recovers: bool

    def lasts(self, payload: bytes) -> int: ...
    def decode(self, payload: bytes) -> Sequence[int]: ...
    def conceal(self, n: int) -> Sequence[int]: ...
    def recover(self, following: bytes, n: int) -> Sequence[int]: ...
    def pauses(self, payload: bytes) -> bool:
        """Whether the sender says with it that he sends no more for now."""
        ...


class Kind(IntEnum):
    AUDIO = 1
    SILENCE = 2
    """The sender says that nothing is to be heard from here on."""


class Noise(IntEnum):
    """What is heard while the sender says nothing."""

    NONE = 0
    TOLD = 1
    """By RFC 3389."""
    CODEC = 2
    """Of the codec's own making."""


class State(IntEnum):
    IDLE = 0
    FILLING = 1
    PLAYING = 2


class Put(IntEnum):
    STORED = 0
    DUPLICATE = 1
    LATE = 2
    JUMPED = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True)
class _Packet:
    timestamp: int
    lasts: int
    sequence: int
    kind: Kind
    payload: bytes

    @property
    def end(self) -> int:
        return self.timestamp + self.lasts


class Playout:
    """One stream; call ``pop`` every 20 ms."""

    def __init__(self, codec: Decoder) -> None:
        self._codec = codec
        self._ms, self._frame = codec.rate // 1000, codec.rate // 50
        self._past = PAST_MS * self._ms
        self._played = [0] * self._past
        self._line: list[int] = []
        self._held: dict[int, _Packet] = {}
        self._plc = Concealment(codec.rate)
        self._delay = Delay(codec.clock)
        self._newest = self._next = self._gap = self._jump = self._first = 0
        self._offset = (0, 0)
        self._last_sequence = 0
        self._quiet = self._concealing = False
        self._noise = Noise.NONE
        self._cn = ComfortNoise(0)
        self._dtx = False
        """This sender pauses without a word."""
        self._doubt = 0
        """Frames made up while nothing waited: the next packet tells whether they were lost."""
        self._rest = self._missing = self._floor = 0
        self._wary = 0
        """Losses of late, where the next packet could undo them if sound waited for it."""
        self.state = State.IDLE
        self.delayed = 0
        """What the fastest packet waits now, in RTP clock units."""
        self.late = self.duplicate = self.concealed = self.stretched = self.skipped = 0

    @property
    def target(self) -> int:
        return self._delay.target

    def flush(self) -> None:
        """Forget what is held; what is known of the network stays."""
        self._held.clear()
        self._line.clear()
        self.state = State.IDLE
        self._concealing = self._quiet = False
        self._noise = Noise.NONE
        self._missing = self._doubt = self.delayed = 0

    # ---- packets come ----

    def put(
        self, kind: Kind, timestamp: int, sequence: int, payload: bytes, now: int, *, restarted: bool = False
    ) -> Put:
        """Take one packet; ``restarted``: another SSRC, or the sequence numbers began anew.

        Comfort noise and telephone events are ``Kind.SILENCE``, the latter without payload.
        """
        codec = self._codec
        lasts = codec.lasts(payload) if kind is Kind.AUDIO else 0
        if kind is Kind.AUDIO and lasts <= 0:
            return Put.REFUSED
        if not codec.piece and (len(payload) > LONGEST or lasts > codec.clock * 6 // 50):
            return Put.REFUSED
        units = self._clock(now)
        if self.state is State.IDLE:
            if kind is not Kind.AUDIO:
                return Put.STORED
            self.state = State.FILLING
            at_once = timestamp == (self._next - self._jump) % (1 << 32)
            self._judge(paused=not restarted and self._follows(sequence) and not at_once)
            self._cn = ComfortNoise(timestamp)
            self._noise = Noise.NONE
            self._newest = self._next = timestamp
            self._jump = self._gap = self._missing = 0
            # Packets of 10 or 30 ms end within a frame, whose other half comes later.
            self._first = 0 if lasts % (codec.clock // 50) == 0 else codec.clock // 100
            self._quiet = False
            self._delay.restart()
        place, jumped = self._place(kind, timestamp, sequence, restarted, units)
        if kind is Kind.SILENCE:
            return self._keep(_Packet(place, 0, sequence, kind, payload[: 1 + ORDER]))
        if place not in self._held:
            least = self._delay.least
            if not self._held and least is not None and units - place - least > codec.clock // 4:
                # Nothing for a while and then an old timestamp: the sender's clock stood still, or a stall has ended.
                self._delay.restart()
            self._delay.learn(place, units)
        step = codec.piece or len(payload)
        verdicts = []
        for at in range(0, len(payload), step):
            piece = payload[at : at + step]
            verdicts.append(self._keep(_Packet(place, codec.lasts(piece), sequence, kind, piece)))
            place += codec.lasts(piece)
        return Put.JUMPED if jumped and verdicts[0] is Put.STORED else verdicts[0]

    def _place(self, kind: Kind, timestamp: int, sequence: int, restarted: bool, now: int) -> tuple[int, bool]:
        """Where a packet stands on our line of time, and whether the sender's timestamps have left theirs."""
        clock = self._codec.clock
        place = self._newest + _signed(timestamp + self._jump - self._newest)
        ahead = place - (self._next + self._gap)
        if kind is not Kind.AUDIO:
            return (self._newest if ahead > clock // 2 else max(place, self._next)), False
        if not restarted and -clock <= ahead <= clock // 2:
            return place, False
        # It is as old as a packet that has just come is, and behind all that came.
        least = self._delay.least
        said = self._newest if least is None else now - least
        place = self._newest if self._follows(sequence) else max(said, self._newest)
        self._jump = (place - timestamp) % (1 << 32)
        return place, True

    def _follows(self, sequence: int) -> bool:
        return sequence == (self._last_sequence + 1) % 65_536

    def _judge(self, *, paused: bool) -> None:
        """What was missing while nothing waited was lost, unless the sender has only paused."""
        if not paused:
            self.concealed += self._doubt
        elif self._doubt and self._codec.conceals:
            self._dtx = True
        self._doubt = 0

    def _keep(self, packet: _Packet) -> Put:
        if self.state is State.PLAYING and packet.end <= self._next and packet.kind is Kind.AUDIO:
            self.late += 1
            return Put.LATE
        if packet.timestamp in self._held:
            self.duplicate += packet.kind is Kind.AUDIO
            return Put.DUPLICATE
        if len(self._held) == PACKETS:
            oldest = min(self._held)
            if packet.timestamp < oldest:
                self.late += 1
                return Put.LATE
            del self._held[oldest]
            self.skipped += 1
            if self.state is State.PLAYING and min(self._held) > self._next:
                self._next, self._gap = min(self._held), 0
        self._held[packet.timestamp] = packet
        self._newest = max(self._newest, packet.end)
        return Put.STORED

    # ---- frames go ----

    def pop(self, now: int) -> list[int]:
        """Take the frame that is due at ``now``; empty when nobody is talking."""
        units = self._clock(now)
        if self.state is State.FILLING and self._wait(min(self._held), units) >= self.target + self._first:
            self.state = State.PLAYING
            self._next, self._gap, self._offset = min(self._held), 0, (0, 0)
        if self.state is not State.PLAYING:
            return []
        self._skip(units)
        self._wary = max(self._wary - 1, 0)
        came, lost = self._fill(units)
        self.concealed += lost > 0
        self._doubt += lost < 0
        if not self._quiet and not self._concealing and self._gap == 0:
            self._steer(units)
        self.delayed = self._wait(self._next + self._gap - self._units(len(self._line)), units)
        self._missing = 0 if came or self._quiet or self._held else self._missing + 1
        if self._missing >= (DTX if self._dtx else GIVE_UP):
            doubt = self._doubt
            self.flush()
            self._doubt = doubt
            return []
        frame, self._line = self._line[: self._frame], self._line[self._frame :]
        self._played = (self._played + frame)[-self._past :]
        return frame if came or any(frame) else []

    def _fill(self, now: int) -> tuple[int, int]:
        """Fill the line to one frame; how many samples were decoded for it, and whether some were made up.

        -1 if that was all that could be done.
        """
        came = lost = 0
        while (need := self._frame - len(self._line)) > 0:
            packet = self._due()
            if packet and packet.timestamp > self._next:
                missing = self._samples(packet.timestamp - self._next - self._gap)
                # Its number follows at once, so the sender has paused: the sound may begin when it has waited enough.
                if self._follows(packet.sequence):
                    if not self._quiet and self._codec.conceals:
                        self._noise = Noise.CODEC
                    self._quiet = True
                    self._judge(paused=True)
                waits = self._wait(packet.timestamp, now + self._units(self._frame - need))
                if self._quiet and (waits < self._target or need < self._frame):
                    self._silence(need)
                    continue
                if not self._quiet and missing > 0:
                    if self._recover(packet, missing):
                        came += missing
                    else:
                        self._conceal(min(missing, need), missing)
                        lost = 1
                    continue
                if not self._quiet and self._gap:
                    self._lost()
                self._next, self._gap = packet.timestamp, 0
                continue
            if packet:
                came += self._decode(packet)
            elif self._quiet:
                self._silence(need)
            else:
                self._conceal(need, 0)
                lost = lost or -1
        return came, lost

    def _due(self) -> _Packet | None:
        """The oldest packet; whatever is older than the line's end is gone."""
        while self._held:
            packet = self._held[min(self._held)]
            if packet.kind is Kind.SILENCE:
                if packet.timestamp > self._next and not self._quiet:
                    return packet
                if self._follows(packet.sequence):
                    self._judge(paused=True)
                self._quiet = True
                if self._cn.take(packet.payload):
                    self._noise = Noise.TOLD
            elif packet.end > self._next:
                return packet
            del self._held[packet.timestamp]
        return None

    def _decode(self, packet: _Packet) -> int:
        del self._held[packet.timestamp]
        past = self._samples(self._next - packet.timestamp)
        decoded = list(self._codec.decode(packet.payload))[past:]
        if not decoded:
            return 0
        self._offset = (len(self._line) % self._frame, self._offset[0])
        if self._concealing:
            decoded = self._plc.merge(decoded)
        self._concealing = False
        self._quiet = self._codec.pauses(packet.payload)
        self._noise = Noise.CODEC if self._quiet else Noise.NONE
        self._judge(paused=False)
        self._line += decoded
        self._next += self._units(len(decoded))
        self._gap = 0
        self._last_sequence = packet.sequence
        return len(decoded)

    def _silence(self, n: int) -> None:
        made: list[int] = []
        match self._noise:
            case Noise.TOLD:
                made = self._cn.make(n)
            case Noise.CODEC:
                made = list(self._codec.conceal(n))
            case Noise.NONE:
                pass
        self._line += made + [0] * (n - len(made))
        self._gap += self._units(n)

    def _conceal(self, n: int, most: int) -> None:
        """Make up ``n`` samples; a codec that does it itself makes 10 ms at a time, up to ``most`` if that is not 0."""
        if self._codec.conceals:
            step = self._codec.rate // 100
            n = -(-n // step) * step
            n = min(n, most) if most else n
            made = list(self._codec.conceal(n))
            self._line += made + [0] * (n - len(made))
        else:
            if not self._concealing:
                self._plc.begin((self._played + self._line)[-self._past :])
            self._line += self._plc.conceal(n)
            self._concealing = True
        self._gap += self._units(n)

    @property
    def _target(self) -> int:
        """What a packet must wait: where losses are frequent and the packet behind can undo them, for that one too."""
        return self.target + (self._codec.clock // 50 if self._wary > 2 * WARY else 0)

    def _lost(self) -> None:
        if self._codec.recovers:
            self._wary = min(self._wary + WARY, WARIEST)

    def _recover(self, packet: _Packet, missing: int) -> bool:
        """What is missing right before a packet, out of that packet."""
        if not self._codec.recovers or missing > self._samples(packet.lasts):
            return False
        found = self._codec.recover(packet.payload, missing)
        if len(found) != missing:
            self._wary = 0  # nothing is in there: not worth the wait
            return False
        self._line += found
        self._gap += self._units(missing)
        return True

    def _skip(self, now: int) -> None:
        """So much waits that stretching would take seconds: throw the oldest packets away."""
        ms = self._codec.clock // 1000
        if self._wait(self._next + self._gap, now) <= self.target + SKIP_MS * ms:
            return
        while (packet := self._due()) and len(self._held) > 1:
            if self._wait(packet.timestamp, now) <= self.target + PIECE_MS * ms:
                break
            del self._held[packet.timestamp]
            self.skipped += 1
        if packet is None or packet.timestamp <= self._next:
            return
        if not self._codec.conceals:  # the seam is blended
            if not self._concealing:
                self._plc.begin((self._played + self._line)[-self._past :])
            self._concealing = True
        self._next, self._gap = packet.timestamp, 0

    # ---- time ----

    def _steer(self, now: int) -> None:
        """Bring the wait nearer to the target, where that cannot be heard.

        Only whole frames of waiting help a packet to come in time, so ``above`` leaves the offset out.
        """
        ms, frame = self._ms, self._frame
        hush = self._hush()
        self._rest = max(self._rest - 1, 0)
        waits = self._samples(self._wait(self._next - self._units(len(self._line)), now))
        target, low, high = self._samples(self._target), min(self._offset), max(self._offset)
        above, slack = waits - high - target, SLACK_MS * ms
        if above < 0:
            if not self._rest or above < -frame:
                self._lengthen(high, above < -frame, hush)
            return
        if waits - high - frame >= target + slack:
            most = frame
        elif waits - low - frame >= target + slack:
            most = high
        else:
            most = low if above >= slack else 0
        urgent = above > HURRY_MS * ms
        if most < stretch.LOW_US * ms // 1000 or (self._rest and not urgent):
            return
        alike = 0.0 if above > 2 * HURRY_MS * ms else stretch.HURRY if urgent else stretch.ALIKE
        self._shorten(most, alike, hush)

    def _lengthen(self, offset: int, urgent: bool, hush: bool) -> None:
        """Make the wait longer: in silence by just what is missing to the next whole frame."""
        seam = stretch.INSERT_MS * self._ms
        length = self._frame - offset
        if not hush:
            alike = stretch.HURRY if urgent else stretch.ALIKE
            length = self._period(seam, stretch.HIGH_MS * self._ms, alike)
        if not length:
            return
        fade = min(length, stretch.FADE_US * self._ms // 1000) if hush else length
        line = stretch.insert(self._played + self._line, self._past + seam, length, fade)
        self._line = line[self._past :]
        self._stretched(length)

    def _shorten(self, most: int, alike: float, hush: bool) -> None:
        """Make the wait shorter, by at most ``most`` samples."""
        most = most if hush else min(most, stretch.HIGH_MS * self._ms)
        while len(self._line) < self._frame + most:
            packet = self._due()
            if not packet or packet.timestamp > self._next or not self._decode(packet):
                break
        most = min(most, len(self._line) - self._frame)
        if most < stretch.LOW_US * self._ms // 1000:
            return
        seam = most if hush else stretch.REMOVE_MS * self._ms
        length = most if hush else self._period(seam, most, alike)
        if not length:
            return
        fade = stretch.FADE_US * self._ms // 1000 if hush else length
        self._line = stretch.remove(self._line, seam, length, fade)
        self._stretched(-length)

    def _period(self, seam: int, longest: int, alike: float) -> int:
        line: Pcm = np.array(self._played + self._line, np.int64)
        return stretch.period(line, self._past + seam, self._codec.rate, longest, alike)

    def _stretched(self, by: int) -> None:
        self._offset = ((self._offset[0] + by) % self._frame, (self._offset[1] + by) % self._frame)
        self.stretched += 1
        self._rest = REST

    def _hush(self) -> bool:
        """Whether nobody speaks in this frame: near the noise floor, which rises slowly and falls at once."""
        energy = sum(x * x for x in self._line[: self._frame]) // self._frame
        self._floor = energy if energy < self._floor else self._floor + (self._floor >> 6) + 1
        return energy <= max(QUIET, min(4 * self._floor, NOISY))

    def _wait(self, position: int, now: int) -> int:
        """What the fastest packet that holds ``position`` waits if that is played at ``now``."""
        least = self._delay.least
        assert least is not None
        return now - least - position

    def _clock(self, ns: int) -> int:
        return ns // 1_000_000_000 * self._codec.clock + ns % 1_000_000_000 * self._codec.clock // 1_000_000_000

    def _samples(self, units: int) -> int:
        """Truncated towards zero."""
        scaled = abs(units) * self._codec.rate // self._codec.clock
        return scaled if units >= 0 else -scaled

    def _units(self, samples: int) -> int:
        return samples * self._codec.clock // self._codec.rate


def _signed(difference: int) -> int:
    difference %= 1 << 32
    return difference - (1 << 32) if difference >= 1 << 31 else difference
