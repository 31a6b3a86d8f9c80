"""Digits as sound: made by one kernel, found by the other, and not found in speech."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from softswitch.media import kernels
from softswitch.rtp.dtmf import DIGITS, Began, Ended
from softswitch.rtp.dtmf_inband import InbandReceiver, suspect
from softswitch.rtp.dtmf_tone import HIGH, LOW, PLACES, DigitTone
from tests.media.speech import missing

MS = 8
"""Samples of a millisecond."""


def pair(
    digit: str,
    milliseconds: int,
    *,
    level: float = -15.0,
    twist: float = 0.0,
    off: float = 0.0,
    phase: float = 0.3,
) -> NDArray[np.float64]:
    """A digit with hard edges: its row at ``level`` dBov, its column ``twist`` dB louder, both ``off`` per cent off."""
    time = np.arange(milliseconds * MS) / 8000
    row, column = divmod(PLACES.index(digit), 4)
    peak = 32768 * 10 ** (level / 20) * 2**0.5
    low = peak * np.sin(2 * np.pi * LOW[row] * (1 + off / 100) * time + phase)
    return low + peak * 10 ** (twist / 20) * np.sin(2 * np.pi * HIGH[column] * (1 + off / 100) * time + 2 * phase)


def quiet(milliseconds: int) -> NDArray[np.float64]:
    return np.zeros(milliseconds * MS)


def find(*parts: NDArray[np.float64]) -> list[tuple[str, int] | tuple[str, int, int]]:
    """What the kernel tells of this sound, taken in 20 ms frames."""
    pcm = np.concatenate([*parts, quiet(100)]).clip(-32768, 32767).astype("<i2").tobytes()
    receiver = kernels.InbandReceiver()
    return [news for at in range(0, len(pcm), 320) for news in receiver.receive(pcm[at : at + 320])]


def digits(*parts: NDArray[np.float64]) -> str:
    return "".join(DIGITS[news[1]] for news in find(*parts) if news[0] == "ended")


def test_each_of_sixteen_digits_of_40_ms_is_found_wherever_it_begins() -> None:
    for digit in PLACES:
        for start in range(20):
            assert digits(quiet(20 + start), pair(digit, 40)) == digit, (digit, start)


def test_a_tone_of_20_ms_is_no_digit() -> None:
    assert not any(digits(quiet(20 + start), pair(d, 20)) for d in PLACES for start in range(20))


@pytest.mark.parametrize("off", [-1.8, -1.5, 0.0, 1.5, 1.8])
@pytest.mark.parametrize("twist", [-4.0, 0.0, 8.0])
def test_what_q24_wants_accepted_is_found(off: float, twist: float) -> None:
    for level in (-31.2, -15.0):
        for digit in PLACES:
            quieter = level - min(0.0, twist)  # the quieter of the two tones has this level
            assert digits(quiet(33), pair(digit, 50, level=quieter, twist=twist, off=off)) == digit


@pytest.mark.parametrize("off", [-3.5, 3.5])
def test_frequencies_3_5_per_cent_off_are_no_digit(off: float) -> None:
    assert not any(digits(quiet(30), pair(d, 100, off=off)) for d in PLACES)


def test_a_break_of_10_ms_does_not_make_two_digits() -> None:
    for start in range(20):
        assert digits(quiet(start), pair("5", 60), quiet(10), pair("5", 60)) == "5"


def test_a_pause_of_40_ms_makes_two_digits() -> None:
    for start in range(20):
        assert digits(quiet(start), pair("5", 60), quiet(40), pair("5", 60)) == "55"


def test_another_digit_without_a_pause_is_another_digit() -> None:
    assert digits(pair("1", 80), pair("2", 80), pair("D", 80)) == "12D"


def test_digits_are_found_over_noise_15_db_below() -> None:
    noise = np.random.default_rng(7).normal(0, 32768 * 10 ** (-27 / 20), 50 * MS)
    assert all(digits(quiet(30), pair(digit, 50) + noise) == digit for digit in PLACES)


def test_the_duration_is_told_within_15_ms() -> None:
    (began, ended) = find(quiet(50), pair("7", 100))
    assert began == ("began", 7)
    assert abs(ended[2] - 800) <= 15 * MS  # type: ignore[misc]


def test_one_tone_alone_is_no_digit() -> None:
    time = np.arange(4000) / 8000
    for frequency in (*LOW, *HIGH, 425, 440, 1000):
        assert digits(9000 * np.sin(2 * np.pi * frequency * time)) == ""


def voice(seconds: float, seed: int) -> NDArray[np.float64]:
    """A buzz of a wandering pitch through three wandering formants."""
    random = np.random.default_rng(seed)
    n = round(seconds * 8000)
    knots = max(2, round(seconds * 6))

    def wander(low: float, high: float) -> NDArray[np.float64]:
        return np.interp(np.arange(n), np.linspace(0, n, knots), random.uniform(low, high, knots))

    turn = 2 * np.pi * np.cumsum(wander(80, 300)) / 8000
    formants = ((wander(250, 950), 90, 1.0), (wander(900, 2300), 120, 0.6), (wander(2400, 3300), 180, 0.3))
    pitch = np.gradient(turn) * 8000 / 2 / np.pi
    sound = np.zeros(n)
    for harmonic in range(1, 40):
        f = harmonic * pitch
        gain = sum(loud / (1 + ((f - formant) / width) ** 2) for formant, width, loud in formants)
        sound += np.where(f < 3800, gain, 0) * np.sin(harmonic * turn)
    result: NDArray[np.float64] = 8000 * sound / np.abs(sound).max()
    return result


def test_a_synthetic_voice_presses_no_key_of_a_telephone_in_ten_minutes() -> None:
    pressed = "".join(digits(voice(30, seed)) for seed in range(20))
    # The fourth column, which telephones do not have, lies where voices are purer; spoken text is below.
    assert not set(pressed) - set("ABCD")
    assert len(pressed) <= 6


@pytest.mark.skipif(bool(missing()), reason=missing() or "")
def test_spoken_text_presses_no_key(tmp_path: Path) -> None:
    text = (
        "Good morning, this is the booking office. Two hundred and forty-seven people are waiting in line. "
        "Please tell me your name, your address, and the number of your order; then we shall see what can be done. "
        "Really? Eleven weeks! Nobody ever told me. Who are you, and why do you keep repeating yourself? "
    )
    for voice_name in ("en", "en+f3", "en+m7", "de", "ru", "fr+f2"):
        path = tmp_path / f"{voice_name}.wav"
        subprocess.run(["espeak-ng", "-v", voice_name, "-w", str(path), text * 3], check=True)
        with wave.open(str(path)) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)
            rate = file.getframerate()
        at = np.arange(0, len(pcm) - 1, rate / 8000)
        assert digits(np.interp(at, np.arange(len(pcm)), pcm)) == "", voice_name


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_made_digits_have_the_levels_of_es_201_235(rate: int) -> None:
    for event in range(16):
        pcm = np.frombuffer(kernels.DigitTone().frame(event, rate, False, False, rate // 2), "<i2").astype(float)
        row, column = divmod(PLACES.index(DIGITS[event]), 4)
        for frequency, dbm0 in ((LOW[row], -11), (HIGH[column], -9)):
            turn = np.exp(-2j * np.pi * frequency * np.arange(len(pcm)) / rate)
            rms = 2 * abs(np.mean(pcm * turn)) / 2**0.5
            assert 20 * np.log10(rms / 32768) + 6.15 == pytest.approx(dbm0, abs=0.1)


def test_made_digits_are_found() -> None:
    for event in range(16):
        tone = kernels.DigitTone()
        frames = [tone.frame(event, 8000, i == 0, i == 4, 160) for i in range(5)]
        sound = np.frombuffer(b"".join(frames), "<i2").astype(float)
        assert digits(quiet(17), sound) == DIGITS[event]


def test_any_part_of_a_digit_is_suspected() -> None:
    for digit in PLACES:
        sound = pair(digit, 60).astype("<i2")
        assert all(kernels.suspect(sound[at : at + 80].tobytes()) for at in range(0, 400, 7))


@given(st.integers(0, 16), st.sampled_from([8000, 16000, 48000]), st.lists(st.tuples(st.booleans(), st.booleans())))
def test_the_kernel_makes_what_its_twin_makes(event: int, rate: int, frames: list[tuple[bool, bool]]) -> None:
    kernel, twin = kernels.DigitTone(), DigitTone()
    for first, last in frames:
        made = kernel.frame(event, rate, first, last, rate // 50)
        assert made == twin.frame(event, rate, first, last, rate // 50).astype("<i2").tobytes()


def told(news: list[Began | Ended]) -> list[tuple[str, int] | tuple[str, int, int]]:
    return [("began", n.event) if isinstance(n, Began) else ("ended", n.event, n.duration) for n in news]


parts = st.one_of(
    st.tuples(st.just("digit"), st.sampled_from(PLACES), st.integers(10, 90)),
    st.tuples(st.just("pause"), st.just(""), st.integers(1, 60)),
    st.tuples(st.just("noise"), st.just(""), st.integers(1, 60)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(parts, max_size=8), st.integers(1, 160), st.floats(-2, 2), st.floats(-40, -3))
def test_the_kernel_finds_what_its_twin_finds(
    sounds: list[tuple[str, str, int]], step: int, off: float, level: float
) -> None:
    made = [np.zeros(0)]
    for kind, digit, length in sounds:
        if kind == "digit":
            made.append(pair(digit, length, off=off, level=level))
        else:
            peak = 8000 if kind == "noise" else 0
            made.append(peak * np.random.default_rng(length).standard_normal(length * MS))
    pcm = np.concatenate(made).clip(-32768, 32767).astype("<i2")
    kernel, twin = kernels.InbandReceiver(), InbandReceiver()
    for at in range(0, len(pcm), step):
        frame = pcm[at : at + step]
        assert kernel.receive(frame.tobytes()) == told(twin.receive(frame))
    for at in range(0, len(pcm) - 80, 400):
        assert kernels.suspect(pcm[at : at + 80].tobytes()) == suspect(pcm[at : at + 80])
