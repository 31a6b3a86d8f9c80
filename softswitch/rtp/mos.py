"""What a listener would say of a call: the E-model of ITU-T G.107, reduced to what a switch can know.

Of the model's many impairments those of delay, of the codec and of lost packets
are left; the others have their default values. The result is an estimate of a
mean opinion score from 1 (bad) to 4.5, for comparing minutes and legs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

__all__ = ["IMPAIRMENTS", "Impairment", "mos", "rating"]

DEFAULT = 93.2
"""R of a call without impairments but those that every telephone call has (G.107 table 3)."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """``equipment``: Ie of the codec; ``robustness``: Bpl, per cent of loss that it stands (ITU-T G.113 appendix I)."""

    equipment: float
    robustness: float


G711 = Impairment(0.0, 25.1)
"""With concealment of lost packets (G.711 appendix I); without it the robustness is 4.3."""

IMPAIRMENTS = {
    "PCMU": G711,
    "PCMA": G711,
    "L16": G711,
    "G729": Impairment(11.0, 19.0),
    "GSM": Impairment(20.0, 10.0),
    # No values are published for these on the narrow-band scale: estimates, no better than G.711 without loss.
    "G722": Impairment(0.0, 20.0),
    "OPUS": Impairment(0.0, 35.0),
}
"""By encoding name, in capitals."""


@lru_cache
def _impairment(codec: str) -> Impairment:
    return IMPAIRMENTS.get(codec.upper().partition("/")[0], G711)


def rating(codec: str, loss: float, delay: float) -> float:
    """Return R. ``loss`` is the share of packets that could not be played, ``delay`` from mouth to ear in seconds."""
    impairment = _impairment(codec)
    per_cent = 100.0 * min(max(loss, 0.0), 1.0)
    effective = impairment.equipment + (95.0 - impairment.equipment) * per_cent / (per_cent + impairment.robustness)
    milliseconds = 1000.0 * max(delay, 0.0)
    # The usual straight lines for Id of G.107 section 7.4 with echo cancelled.
    delayed = 0.024 * milliseconds + 0.11 * max(0.0, milliseconds - 177.3)
    return DEFAULT - delayed - effective


def mos(codec: str, loss: float, delay: float) -> float:
    """Return the mean opinion score of G.107 annex B for ``rating``, from 1 to 4.5."""
    r = rating(codec, loss, delay)
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6)
