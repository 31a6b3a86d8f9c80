"""Packet loss concealment: what is heard in place of lost samples is the voice's last periods again, fading out.

The method is that of ITU-T G.711 appendix I, at any rate and without its delay:
where the appendix holds 3.75 ms back to blend into the first synthetic period,
the step at the seam is spread over the first millisecond here. The first 20 ms
repeat one period, the next 10 ms two, then three, so that no buzz is heard;
after the first 10 ms the sound fades, and after 60 ms there is silence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from softswitch.rtp import pitch
from softswitch.rtp.pitch import Pcm

__all__ = ["PAST_MS", "Concealment", "blend"]

PAST_MS = 50
"""Milliseconds of good sound before a loss that are used: 3 1/4 of the longest periods."""
LOW_MS, HIGH_MS, WINDOW_MS = 5, 15, 10
STAGE_MS = 10
FADE_STAGES = 5
MERGE_MS = 10
FULL = 32_768


def blend(a: int, b: int, i: int, n: int) -> int:
    """From ``a`` to ``b``: all of ``a`` at i = 0, all of ``b`` at i = n."""
    return a + ((b - a) * (i * 16_384 // n) >> 14)


class Concealment:
    """One loss after another of a stream at ``rate`` Hz, a multiple of 4000."""

    def __init__(self, rate: int) -> None:
        self._rate, self._ms = rate, rate // 1000
        self._past: Pcm = np.zeros(PAST_MS * self._ms, np.int64)
        self.lost = 0
        """Samples that were concealed in a row; 0 while the sound is good."""
        self._pitch = 1
        self._phase = self._old_phase = self._fading = self._seam = 0
        self._periods = self._old_periods = 1

    @property
    def silent(self) -> bool:
        return self._gain() == 0

    def begin(self, past: Sequence[int] | Pcm) -> None:
        """Good sound ended with the last 50 ms of ``past``."""
        n = PAST_MS * self._ms
        self._past = np.asarray(past, np.int64)[-n:]
        window, low, high = WINDOW_MS * self._ms, LOW_MS * self._ms, HIGH_MS * self._ms
        self._pitch = pitch.find(self._past, n - window, window, low, high, self._rate).lag
        self.lost = self._phase = self._fading = 0
        self._periods = 1
        self._seam = int(self._past[-1] - self._past[-1 - self._pitch])

    def conceal(self, n: int) -> list[int]:
        """The next ``n`` samples in place of lost ones, after ``begin``. All zero once 60 ms are lost."""
        return [self._next() for _ in range(n)]

    def merge(self, good: Sequence[int]) -> list[int]:
        """Good sound is back: return it with its first samples blended with what would have been concealed."""
        later = max(self.lost // (STAGE_MS * self._ms) - 1, 0)
        overlap = min(self._pitch // 4 + later * 2 * self._ms, MERGE_MS * self._ms, len(good))
        merged = [blend(self._next(), good[i], i, overlap) for i in range(overlap)]
        self.lost = 0
        return merged + list(good[overlap:])

    def _next(self) -> int:
        stage, quarter = STAGE_MS * self._ms, self._pitch // 4
        soft = stage // 10
        if self._periods < 3 and self.lost == (self._periods + 1) * stage:
            self._old_periods, self._old_phase = self._periods, self._phase
            self._periods += 1
            self._phase %= self._pitch
            self._fading = quarter
        x = self._repeated(self._periods, self._phase)
        self._phase = (self._phase + 1) % (self._periods * self._pitch)
        if self._fading:
            x = blend(x, self._repeated(self._old_periods, self._old_phase), self._fading, quarter)
            self._old_phase = (self._old_phase + 1) % (self._old_periods * self._pitch)
            self._fading -= 1
        if self.lost < soft:
            x += self._seam * ((soft - self.lost) * 16_384 // soft) >> 14
        heard = max(-32_768, min(x, 32_767)) * self._gain() >> 15
        self.lost += 1
        return heard

    def _repeated(self, periods: int, phase: int) -> int:
        """A sample of the last ``periods`` periods, whose end is blended into what was before their start."""
        length, quarter = periods * self._pitch, self._pitch // 4
        at = len(self._past) + phase - length
        i = phase - (length - quarter)
        x = int(self._past[at])
        return x if i < 0 else blend(x, int(self._past[at - length]), i, quarter)

    def _gain(self) -> int:
        stage = STAGE_MS * self._ms
        into = self.lost - stage
        if into < 0:
            return FULL
        return 0 if into >= FADE_STAGES * stage else FULL - into * (FULL // FADE_STAGES) // stage
