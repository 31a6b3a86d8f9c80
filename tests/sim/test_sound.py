"""What people hear, measured: the customer says 440 Hz, the agent 880 Hz, hold music is 300 Hz.

"Hears" is within 3 dB of the level sent, "does not hear" at most 60 dB below it.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from tests.sim import audio
from tests.sim.office import VirtualOffice
from tests.sim.phone import Phone

SENT = -16.0


def hears(phone: Phone, frequency: float, level: float = SENT) -> bool:
    return abs(phone.hears(frequency) - level) <= 3.0


def deaf_to(phone: Phone, frequency: float) -> bool:
    return phone.hears(frequency) <= SENT - 60.0


def continuous(phone: Phone) -> bool:
    """One SSRC, sequence numbers without a jump, timestamps that only grow."""
    ssrcs = {ssrc for ssrc, _, _ in phone.wire}
    steps = {(b[1] - a[1]) & 0xFFFF for a, b in zip(phone.wire, phone.wire[1:], strict=False)}
    times = [(b[2] - a[2]) & 0xFFFFFFFF for a, b in zip(phone.wire, phone.wire[1:], strict=False)]
    return len(ssrcs) == 1 and steps <= {1} and all(0 < t < 16000 for t in times)


@pytest.mark.parametrize("caller_codec", ["PCMU", "PCMA"])
@pytest.mark.parametrize("callee_codec", ["PCMU", "PCMA"])
def test_each_hears_the_other_and_not_himself(caller_codec: str, callee_codec: str):
    office = VirtualOffice(sound=True)
    anna = office.phone("101", tone=440, codecs=(caller_codec,))
    boris = office.phone("102", tone=880, codecs=(callee_codec,))
    anna.call("102")
    office.run(3)
    assert hears(anna, 880)
    assert deaf_to(anna, 440)
    assert hears(boris, 440)
    assert deaf_to(boris, 880)
    assert continuous(anna)
    assert continuous(boris)


def test_the_held_side_hears_music_and_then_the_other_again_without_a_jump():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(3)
    anna.hold("sendonly")
    office.run(2)
    assert boris.hears(300) > -40.0
    assert deaf_to(boris, 440)
    anna.resume()
    office.run(2)
    assert hears(boris, 440)
    assert deaf_to(boris, 300)
    assert hears(anna, 880)
    assert continuous(boris)


def test_a_digit_reaches_the_other_side_once_and_the_timeline():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(2)
    anna.press("5")
    office.run(1)
    assert boris.digits_heard == ["5"]
    assert [e.digit for e in office.events if type(e).__name__ == "DigitPressed"] == ["5"]


def test_a_telephone_whose_power_fails_is_found_out_by_its_silence():
    office = VirtualOffice(sound=True, media_timeout=10.0)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(3)
    boris.vanish()
    office.run(15)
    assert anna.idle
    assert "media lost" in [cause for cause, _ in office.causes]


@pytest.mark.parametrize(("caller_codec", "callee_codec"), [("PCMU", "PCMU"), ("PCMU", "PCMA")])
def test_the_recording_has_the_caller_left_and_the_callee_right(tmp_path: Path, caller_codec: str, callee_codec: str):
    office = VirtualOffice(sound=True, recordings=tmp_path)
    anna = office.phone("101", tone=440, codecs=(caller_codec,))
    office.phone("102", tone=880, codecs=(callee_codec,))
    anna.call("102")
    office.run(4)
    anna.hang_up()
    office.run(6)
    assert office.settled()
    (path,) = tmp_path.rglob("*.wav")
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    middle = sound[len(sound) // 2 - 4000 : len(sound) // 2 + 4000]
    left, right = middle[:, 0], middle[:, 1]
    assert abs(audio.level_of(left, 440) - SENT) <= 3.0
    assert audio.level_of(left, 880) <= SENT - 60.0
    assert abs(audio.level_of(right, 880) - SENT) <= 3.0
    assert audio.level_of(right, 440) <= SENT - 60.0
    started = [int(np.argmax(np.abs(sound[:, channel].astype(int)) > 500)) for channel in (0, 1)]
    assert abs(started[0] - started[1]) < 160 + 800  # the phones start within one round trip of each other
