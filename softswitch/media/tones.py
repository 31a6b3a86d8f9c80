"""The tones that a telephone network answers with, by country.

From the list that ITU publishes beside recommendation E.180 ("Various tones
used in national networks"): frequencies in Hz, seconds on and off. Where the
list allows a range its middle stands here. For a number that does not exist
nearly all have E.180's special information tone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from softswitch.media.engine import Tone

__all__ = ["COUNTRIES", "CallTones", "tones_of"]

LEVEL = -20.0
"""dBov of a whole tone, -14 dBm0: within the -10 +- 5 dBm0 of E.180 section 3.6, and no louder than people speak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTones:
    """``ringback``: the called party rings. ``busy``: it is engaged. ``congestion``: the network could not.

    ``waiting``: another call waits, heard by who talks. ``unobtainable``: there is no such number.
    """

    ringback: Tone
    busy: Tone
    congestion: Tone
    waiting: Tone
    unobtainable: Tone = Tone((950.0, 1400.0, 1800.0), LEVEL, (0.33, 0.0, 0.33, 0.0, 0.33, 1.0), in_turn=True)


def _tone(frequencies: float | tuple[float, ...], *cadence: float) -> Tone:
    together = frequencies if isinstance(frequencies, tuple) else (frequencies,)
    # Two tones that sound together have half the power each.
    return Tone(together, level=LEVEL - 3.0 * (len(together) - 1), cadence=cadence)


_EAST = CallTones(
    ringback=_tone(425, 0.8, 3.2),
    busy=_tone(425, 0.4, 0.4),
    congestion=_tone(425, 0.2, 0.2),
    waiting=_tone(425, 0.2, 5.0),
)

DEFAULT = CallTones(
    ringback=_tone(425, 1.0, 4.0),
    busy=_tone(425, 0.5, 0.5),
    congestion=_tone(425, 0.25, 0.25),
    waiting=_tone(425, 0.2, 0.2, 0.2, 4.0),
)
"""Within what E.180 recommends to new networks."""

_NORTH_AMERICA = CallTones(
    ringback=_tone((440, 480), 2.0, 4.0),
    busy=_tone((480, 620), 0.5, 0.5),
    congestion=_tone((480, 620), 0.25, 0.25),
    waiting=_tone(440, 0.3, 10.0),
)

COUNTRIES: Mapping[str, CallTones] = MappingProxyType(
    {
        "RU": _EAST,
        "KZ": _EAST,
        "BY": _EAST,
        "US": _NORTH_AMERICA,
        "CA": _NORTH_AMERICA,
        "DE": CallTones(
            ringback=_tone(425, 1.0, 4.0),
            busy=_tone(425, 0.48, 0.48),
            congestion=_tone(425, 0.24, 0.24),
            waiting=_tone(425, 0.2, 0.2, 0.2, 5.0),
        ),
        "GB": CallTones(
            ringback=_tone((400, 450), 0.4, 0.2, 0.4, 2.0),
            busy=_tone(400, 0.375, 0.375),
            congestion=_tone(400, 0.4, 0.35, 0.225, 0.525),
            waiting=_tone(400, 0.1, 4.0),
            unobtainable=_tone(400),
        ),
        "FR": CallTones(
            ringback=_tone(440, 1.5, 3.5),
            busy=_tone(440, 0.5, 0.5),
            congestion=_tone(440, 0.25, 0.25),
            waiting=_tone(440, 0.3, 10.0),
        ),
        "IT": CallTones(
            ringback=_tone(425, 1.0, 4.0),
            busy=_tone(425, 0.5, 0.5),
            congestion=_tone(425, 0.2, 0.2),
            waiting=_tone(425, 0.4, 0.1, 0.25, 0.1, 0.15, 14.0),
        ),
        "ES": CallTones(
            ringback=_tone(425, 1.5, 3.0),
            busy=_tone(425, 0.2, 0.2),
            congestion=_tone(425, 0.2, 0.2, 0.2, 0.2, 0.2, 0.6),
            waiting=_tone(425, 0.175, 0.175, 0.175, 3.5),
        ),
        "PL": CallTones(
            ringback=_tone(425, 1.0, 4.0),
            busy=_tone(425, 0.5, 0.5),
            congestion=_tone(425, 0.5, 0.5),
            waiting=_tone(425, 0.15, 0.15, 0.15, 4.0),
        ),
        "TR": CallTones(
            ringback=_tone(450, 2.0, 4.0),
            busy=_tone(450, 0.5, 0.5),
            congestion=_tone(450, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.6, 0.2),
            waiting=_tone(450, 0.2, 0.6, 0.2, 8.0),
        ),
    }
)
"""By ISO 3166-1 code."""


def tones_of(country: str) -> CallTones:
    """Return the tones of a country, in capitals; those of E.180's own recommendation where we know no better."""
    return COUNTRIES.get(country, DEFAULT)
