"""Tones of the networks, by country."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from softswitch.media.engine import Tone
from softswitch.media.tones import COUNTRIES, DEFAULT, CallTones, tones_of
from softswitch.mixer.tones import render


def parts(tones: CallTones) -> dict[str, Tone]:
    return {field.name: getattr(tones, field.name) for field in fields(tones)}


@pytest.mark.parametrize("country", [*COUNTRIES, "BR"])
def test_every_tone_has_a_cadence_that_ends_in_a_pause_and_can_be_told_from_the_others(country: str) -> None:
    tones = parts(tones_of(country))
    assert all(len(tone.cadence) % 2 == 0 and min(tone.cadence) > 0 for tone in tones.values())
    # Poland's busy and congestion are one tone in ITU's list, and nobody else's are.
    assert len({(tone.frequencies, tone.cadence) for tone in tones.values()}) >= (3 if country == "PL" else 4)


@pytest.mark.parametrize("country", [*COUNTRIES, "BR"])
def test_every_tone_is_as_loud_as_the_others(country: str) -> None:
    for tone in parts(tones_of(country)).values():
        pcm = np.frombuffer(render(tone.frequencies, tone.level, tone.cadence), "<i2").astype(float)
        loud = pcm[200 : round(tone.cadence[0] * 8000) - 200]
        assert 10 * np.log10(np.mean(loud**2) / 2**30) == pytest.approx(-20.0, abs=0.6)


def test_an_american_hears_two_tones_for_two_seconds() -> None:
    ringback = tones_of("US").ringback
    assert (ringback.frequencies, ringback.cadence) == ((440, 480), (2.0, 4.0))


def test_an_unknown_country_hears_what_e180_recommends() -> None:
    assert tones_of("BR") is DEFAULT
