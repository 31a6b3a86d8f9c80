"""What a telephone heard, judged afterwards: which tones, how steadily, and in what packets."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tests.sim import audio
from tests.sim.phone import Phone
from tests.stories.centre import CUSTOMER, EMPLOYEE, MUSIC, SENT, SUPERVISOR

ANNOUNCED = 601.0
TONES = (CUSTOMER, EMPLOYEE, SUPERVISOR, MUSIC, ANNOUNCED)
NEAR, FAR = 3.0, -60.0
CODED_NEAR, CODED_FAR = 6.0, -36.0
"""A tone is heard within so many dB of what was said, and not heard at so many dBov or less. All these codecs are
lossy: in a fifth of a second G.711 makes up to -62 dBov of two tones at the place of a third, and Opus up to -37. That
no voice of anybody is in this is not shown here but by ``test_same_bytes``, in any codec. Of two tones and more Opus
may make one 4 dB too quiet for a fifth of a second, but not on the whole."""
EVEN = 0.5
"""dB by which a level may change unnoticed."""
SETTLED = 15
"""Frames in which a change must have taken effect: 300 ms."""
CODED_EVEN, CODED_REST = 4.0, -18.0
"""As ``EVEN`` and ``REST``, for two tones in Opus, which is made for speech; of more it makes what it can."""
BURST, HOLE = 2.0, 2.0
CODED_BURST, CODED_HOLE = 6.0, 18.0
"""dB that 10 ms may be above or below the tones where others join or leave; Opus is looser with what is new to it."""
STRIDE, CODED_STRIDE = 2, 5
"""Frames over which the course of a tone is followed; Opus spreads what it gets wrong over more of them."""
SLIP, REST = 0.1, -35.0
"""Radians by which a tone may be late between two looks (one lost sample of 1013 Hz is 0.8); dBov of all else."""

Tones = frozenset[float]


@dataclass(frozen=True, slots=True)
class Window:
    phone: Phone
    start: int
    end: int
    when: str
    tones: Tones
    coded: bool
    """Whether Opus is on the way from somebody who is heard to this ear."""


@dataclass(eq=False)
class Ear:
    """One who listens, and from which frame on he was to hear what."""

    who: str
    phone: Phone
    seamless: bool = True
    """Whether the speakers' own sound is never broken, as it is by keys."""
    windows: list[Window] = field(default_factory=list)
    course: list[tuple[int, Tones, bool]] = field(default_factory=list)
    """(frame, tones, whether the speakers' own sound was broken then) of each command."""

    @property
    def position(self) -> int:
        return len(self.phone.heard)

    def from_now_on(self, tones: Tones, *, broken: bool = False) -> None:
        self.course.append((self.position, tones, broken))

    def misheard(self) -> Iterator[str]:
        """Every window against the table, at once."""
        whole = []
        for window in self.windows:
            frames = window.phone.heard[window.start : window.end]
            if len(frames) >= 9:
                whole.append((window, np.concatenate(frames[:9])))
            elif window.tones:
                yield f"{window.when}: the {self.who} got {len(frames)} frames"
        if not whole:
            return
        levels = levels_of(np.stack([samples for _, samples in whole]))
        alike: dict[tuple[Tones, float], list[float]] = {}
        for (window, _), row in zip(whole, levels, strict=True):
            far = CODED_FAR if window.coded else FAR
            near = CODED_NEAR if window.coded and len(window.tones) > 1 else NEAR
            for tone, level in zip(TONES, row.tolist(), strict=True):
                alike.setdefault((window.tones, tone), []).append(level)
                heard = abs(level - SENT) <= near if tone != MUSIC else level > SENT - 12.0
                if tone in window.tones and not heard:
                    yield f"{window.when}: the {self.who} hears {tone:g} Hz at {level:.1f} dBov"
                elif tone not in window.tones and level > far:
                    yield f"{window.when}: {tone:g} Hz leaks to the {self.who} at {level:.1f} dBov"
        for (tones, tone), found in alike.items():
            if tone in tones - {MUSIC} and abs(np.mean(found) - SENT) > NEAR:
                yield f"{sorted(tones)}: the {self.who} hears {tone:g} Hz at {np.mean(found):.1f} dBov on the whole"

    def unevenness(self) -> Iterator[str]:
        """Where nothing was to change, or a change is 300 ms old: levels within 0.5 dB, no slip, no click."""
        coded = self.phone.codec == "opus"
        stride = CODED_STRIDE if coded else STRIDE
        for start, end, tones in self._stretches():
            if not 0 < len(tones) <= (2 if coded else len(TONES)) or end - start < 2 * stride:
                continue
            even, rest = (CODED_EVEN, CODED_REST) if coded and len(tones) > 1 else (EVEN, REST)
            found = course(np.concatenate(self.phone.heard[start:end]), tuple(sorted(tones)), stride)
            spread = np.ptp(found.level, axis=0).max()
            if spread > even or found.slip.max() > SLIP or found.rest.max() > rest:
                at = start + int(found.rest.argmax())
                yield (
                    f"frames {start} to {end}: what the {self.who} hears of {sorted(tones)} changes by {spread:.2f} dB,"
                    f" slips by {found.slip.max():.2f} rad, and has {found.rest.max():.1f} dBov beside it at {at}"
                )

    def bursts(self) -> Iterator[str]:
        """Where what is heard changes: not for 10 ms louder than all that is heard before and after, nor a hole."""
        coded = self.phone.codec == "opus"
        for (_, before, _), (at, after, _) in zip(self.course, self.course[1:], strict=False):
            frames = self.phone.heard[max(at - 1, 0) : at + SETTLED]
            if before == after or not frames:
                continue
            power = 10 * np.log10(np.mean((np.concatenate(frames).reshape(-1, 80) / 32767) ** 2, axis=1) + 1e-12)
            most = SENT - 3.0 + 10 * np.log10(len(before | after))
            if power.max() > most + (CODED_BURST if coded else BURST):
                yield f"from frame {at} the {self.who} hears a burst of {power.max():.1f} dBov"
            same = before & after - {MUSIC}
            least = SENT - 3.0 + 10 * np.log10(max(len(same), 1))
            if same and self.seamless and power.min() < least - (CODED_HOLE if coded else HOLE):
                yield f"from frame {at} the {self.who} hears a hole of {power.min():.1f} dBov"

    def _stretches(self) -> Iterator[tuple[int, int, Tones]]:
        """Between changes of what is to be heard: a command that must not be noticed is no change."""
        if not self.course:
            return
        start, tones, _ = self.course[0]
        for at, wanted, broken in self.course[1:]:
            if wanted != tones or broken:
                yield start, at, tones
                start, tones = at + SETTLED, wanted
        yield start, self.position, tones


def levels_of(windows: NDArray[np.int16]) -> NDArray[np.float64]:
    """Levels in dBov of TONES in ``[window, sample]``: Goertzel bins under a Hann window."""
    samples = windows.shape[1]
    bins = np.abs((windows / 32767) @ _bins(samples))
    return np.asarray(20 * np.log10(np.maximum(bins, 1e-6)))


@lru_cache(maxsize=4)
def _bins(samples: int) -> NDArray[np.complex128]:
    hann = np.hanning(samples)
    turns = np.outer(np.arange(samples), np.array(TONES)) / audio.RATE
    return np.asarray(2 * np.exp(-2j * np.pi * turns) * hann[:, None] / hann.sum())


@lru_cache(maxsize=64)
def _fit(tones: tuple[float, ...], samples: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The matrix of the tones' cosines and sines, and the one that finds their amplitudes."""
    angle = 2 * np.pi * np.outer(np.arange(samples), np.array(tones)) / audio.RATE
    basis = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    return basis, np.linalg.pinv(basis)


@dataclass(frozen=True, slots=True)
class Course:
    """How tones went on: ``level`` in dBov, ``slip`` in radians ``[window, tone]``; ``rest`` in dBov ``[window]``."""

    level: NDArray[np.float64]
    slip: NDArray[np.float64]
    rest: NDArray[np.float64]


def course(samples: NDArray[np.int16], tones: tuple[float, ...], frames: int) -> Course:
    """Follow tones of whole Hz through sound, in windows of so many frames each 20 ms."""
    width = frames * audio.FRAME
    windows = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64) / 32767, width)[:: audio.FRAME]
    basis, finds = _fit(tones, width)
    found = windows @ finds.T
    rest = np.sqrt(np.mean((windows - found @ basis.T) ** 2, axis=1))
    phasors = found[:, : len(tones)] - 1j * found[:, len(tones) :]
    turns = np.outer(np.arange(len(phasors)), np.array(tones)) * audio.FRAME / audio.RATE
    still = phasors * np.exp(-2j * np.pi * turns)
    return Course(
        level=20 * np.log10(np.maximum(np.abs(phasors), 1e-6)),
        slip=np.abs(np.angle(still[1:] * still[:-1].conj())),
        rest=20 * np.log10(np.maximum(rest, 1e-6)),
    )


def torn(packets: list[bytes], phone: Phone, *, pauses: bool) -> Iterator[str]:
    """What is wrong with the numbers of these RTP packets, one after the other: nothing may jump.

    With ``pauses`` sound may stop for a while, for an event or for want of anybody to hear: timestamps go on with time.
    """
    heads = np.array([struct.unpack("!xBHII", data[:12]) for data in packets], dtype=np.int64)
    if len(heads) < 2:
        return
    payload_type, number, timestamp, ssrc = heads.T
    if len(set(ssrc.tolist())) > 1:
        yield f"{len(set(ssrc.tolist()))} SSRCs"
    steps = np.diff(number) & 0xFFFF
    if (steps != 1).any():
        yield f"sequence numbers step by {sorted(set(steps.tolist()))}"
    steps = set((np.diff(timestamp[(payload_type & 0x7F) == (payload_type[0] & 0x7F)]) & 0xFFFFFFFF).tolist())
    if not (
        all(step % phone.ticks == 0 and step < 50 * phone.ticks for step in steps) if pauses else steps == {phone.ticks}
    ):
        yield f"timestamps step by {sorted(steps)}"
