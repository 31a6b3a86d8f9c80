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
    del tones["unobtainable"]  # of three notes without pauses, or without an end
    assert all(len(tone.cadence) % 2 == 0 and min(tone.cadence) > 0 for tone in tones.values())
    # Poland's busy and congestion are one tone in ITU's list, and nobody else's are.
    assert len({(tone.frequencies, tone.cadence) for tone in tones.values()}) >= (3 if country == "PL" else 4)


@pytest.mark.parametrize("country", [*COUNTRIES, "BR"])
def test_every_tone_is_as_loud_as_the_others(country: str) -> None:
    for tone in parts(tones_of(country)).values():
        pcm = np.frombuffer(render(tone.frequencies, tone.level, tone.cadence, in_turn=tone.in_turn), "<i2").astype(
            float
        )
        loud = pcm[200 : round((tone.cadence or (1.0,))[0] * 8000) - 200]
        assert 10 * np.log10(np.mean(loud**2) / 2**30) == pytest.approx(-20.0, abs=0.6)


def test_an_american_hears_two_tones_for_two_seconds() -> None:
    ringback = tones_of("US").ringback
    assert (ringback.frequencies, ringback.cadence) == ((440, 480), (2.0, 4.0))


def test_an_unknown_country_hears_what_e180_recommends() -> None:
    assert tones_of("BR") is DEFAULT


def test_three_notes_rise_one_after_another_where_there_is_no_such_number() -> None:
    tone = tones_of("RU").unobtainable
    pcm = np.frombuffer(render(tone.frequencies, tone.level, tone.cadence, in_turn=tone.in_turn), "<i2").astype(float)
    assert len(pcm) == round(1.99 * 8000)
    for number, frequency in enumerate((950, 1400, 1800)):
        note = pcm[number * 2640 + 320 : number * 2640 + 2320]  # 0.25 s of 0.33
        spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note))))
        assert np.argmax(spectrum) * 4 == pytest.approx(frequency, abs=4)
    assert not pcm[3 * 2640 :].any()


def test_a_briton_hears_one_tone_without_end_there() -> None:
    assert (tones_of("GB").unobtainable.frequencies, tones_of("GB").unobtainable.cadence) == ((400,), ())
