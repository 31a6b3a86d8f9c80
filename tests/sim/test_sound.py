"""What people hear, measured: the customer says 440 Hz, the agent 880 Hz, hold music is 300 Hz.

"Hears" is within 3 dB of the level sent, "does not hear" at most 60 dB below it.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from softswitch.events import DigitPressed, MediaQuality
from tests.sim import audio
from tests.sim.network import Link
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


def test_a_digit_told_by_info_reaches_the_other_side_as_an_event_and_is_told_once():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(3)
    for digit, content_type in (("5", "application/dtmf-relay"), ("#", "application/dtmf")):
        anna.tell(digit, content_type)
        office.run(1)
        assert anna.last("INFO").status == 200
    assert boris.digits_heard == ["5", "#"]
    assert [e.digit for e in office.told(DigitPressed)] == ["5", "#"]


def test_a_telephone_that_sends_a_digit_both_as_event_and_by_info_presses_it_once():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(3)
    for digit in "112":
        anna.tell(digit)
        anna.press(digit)
        office.run(0.3)
    office.run(2)
    assert boris.digits_heard == ["1", "1", "2"]
    assert [e.digit for e in office.told(DigitPressed)] == ["1", "1", "2"]


def test_an_info_that_names_no_digit_is_refused_and_changes_nothing():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(3)
    for content_type, digit, status in (
        ("application/dtmf-relay", "55", 400),
        ("application/vnd.example", "5", 415),
    ):
        anna.tell(digit, content_type)
        office.run(1)
        assert anna.last("INFO").status == status
    assert boris.digits_heard == []
    assert anna.talking


def test_a_telephone_whose_power_fails_is_found_out_by_its_silence():
    office = VirtualOffice(sound=True, media_timeout=10.0)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(3)
    boris.vanish()
    office.run(15)
    assert anna.idle
    assert "media lost" in [cause for cause, _ in office.causes]


def test_early_media_is_heard_before_the_answer_and_goes_on_after_it():
    office = VirtualOffice(sound=True)
    anna, provider = office.phone("101", tone=440), office.provider(tone=880, early_media=True, answer=3.0)
    anna.call("+79161234567")
    office.run(2)
    assert not anna.talking
    assert hears(anna, 880)
    office.run(4)
    assert anna.talking
    assert hears(anna, 880)
    assert hears(provider, 440)
    assert continuous(anna)


def test_a_caller_answered_by_a_program_hears_ringing_until_the_callee_answers():
    class Clerk:
        def arrived(self, call: object) -> None:
            call.answer()  # type: ignore[attr-defined]
            call.dial("102", office.now)  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> object:
            return lambda *_: None

    office = VirtualOffice(sound=True)
    office.control.attend("600", Clerk)  # type: ignore[arg-type]
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880, answer=2.0)
    anna.call("600")
    office.run(0.8)
    assert anna.hears(425) > -26.0  # within the first second of the cadence
    office.run(3)
    assert hears(anna, 880)
    assert deaf_to(anna, 425)
    assert hears(boris, 440)


def test_a_masked_caller_presses_keys_that_reach_the_program_and_not_the_timeline():
    pressed: list[str] = []

    class Clerk:
        def arrived(self, call: object) -> None:
            call.answer()  # type: ignore[attr-defined]
            call.mask(True)  # type: ignore[attr-defined]

        def digit_pressed(self, digit: str) -> None:
            pressed.append(digit)

        def __getattr__(self, name: str) -> object:
            return lambda *_: None

    office = VirtualOffice(sound=True)
    office.control.attend("600", Clerk)  # type: ignore[arg-type]
    anna = office.phone("101", tone=440)
    anna.call("600")
    office.run(1)
    for digit in "42":
        anna.press(digit)
        office.run(0.5)
    assert pressed == ["4", "2"]
    assert [event.digit for event in office.told(DigitPressed)] == ["", ""]


def test_a_call_tells_what_a_listener_would_say_of_it():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(5)
    anna.hang_up()
    office.run(2)
    assert boris.idle
    scores = [event.mos for event in office.told(MediaQuality)]
    assert len(scores) == 2
    assert all(score is not None and 4.0 < score <= 4.5 for score in scores)


def test_music_is_heard_by_the_held_side_alone():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(3)
    heard = len(anna.heard)
    anna.hold("inactive")
    office.run(2)
    assert boris.hears(300) > -40.0
    assert deaf_to(boris, 440)
    assert len(anna.heard) - heard <= 2  # nothing is sent to who wants nothing


def test_a_hold_on_both_sides_is_silence_until_one_of_them_resumes():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(2)
    anna.hold()
    boris.hold()
    office.run(2)
    anna.heard.clear()
    boris.heard.clear()
    office.run(1)
    assert anna.hears(300) <= SENT - 60.0
    assert boris.hears(300) <= SENT - 60.0
    anna.resume()
    boris.resume()
    office.run(2)
    assert hears(anna, 880)
    assert hears(boris, 440)


def test_a_codec_changed_in_the_midst_is_transcoded_without_a_jump():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(2)
    anna.codecs = ("PCMA",)
    anna.resume()
    office.run(2)
    assert hears(anna, 880)
    assert hears(boris, 440)
    assert continuous(boris)


@pytest.mark.parametrize("callee_codec", ["PCMU", "PCMA"])
def test_digits_travel_both_ways(callee_codec: str):
    office = VirtualOffice(sound=True)
    anna = office.phone("101", tone=440, codecs=("PCMU",))
    boris = office.phone("102", tone=880, codecs=(callee_codec,))
    anna.call("102")
    office.run(2)
    for digit in "1*":
        anna.press(digit)
        boris.press("9")
        office.run(0.5)
    assert boris.digits_heard == ["1", "*"]
    assert anna.digits_heard == ["9", "9"]
    assert sorted(e.digit for e in office.told(DigitPressed)) == ["*", "1", "9", "9"]  # type: ignore[attr-defined]


def test_a_digit_of_the_held_side_is_on_record_and_not_passed_on():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(2)
    anna.hold()
    office.run(1)
    boris.press("3")
    office.run(1)
    assert [e.digit for e in office.told(DigitPressed)] == ["3"]  # type: ignore[attr-defined]
    assert anna.digits_heard == []
    anna.resume()
    office.run(1)
    boris.press("4")
    office.run(1)
    assert anna.digits_heard == ["4"]


# Recording ------------------------------------------------------------------------------------------------------------


def recording_in(folder: Path) -> np.ndarray:
    (path,) = folder.rglob("*.wav")
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


def loud(channel: np.ndarray) -> tuple[int, int]:
    """First and last sample that is no silence."""
    (where,) = np.nonzero(np.abs(channel.astype(int)) > 500)
    return int(where[0]), int(where[-1])


def test_a_recording_goes_on_during_a_hold_and_has_no_music(tmp_path: Path):
    office = VirtualOffice(sound=True, recordings=tmp_path)
    anna, _ = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(2.5)
    anna.hold("inactive")
    office.run(3)
    anna.hang_up()
    office.run(6)
    sound = recording_in(tmp_path)
    assert 4.5 * 8000 <= len(sound) <= 6 * 8000
    during = sound[4 * 8000 : int(4.5 * 8000)]
    assert audio.level_of(during[:, 0], 440) <= SENT - 60.0
    assert abs(audio.level_of(during[:, 1], 880) - SENT) <= 3.0
    assert max(audio.level_of(during[:, side], 300) for side in (0, 1)) <= SENT - 60.0


def test_loss_on_the_network_does_not_move_the_channels_against_each_other(tmp_path: Path):
    office = VirtualOffice(sound=True, recordings=tmp_path)
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run_until(lambda: anna.talking and boris.talking)
    office.network.link = Link(loss=0.1, delay=0.02, jitter=0.03)
    office.run(6)
    office.network.link = Link()
    office.run(0.5)
    anna.hang_up()
    office.run(6)
    sound = recording_in(tmp_path)
    left, right = loud(sound[:, 0]), loud(sound[:, 1])
    # Both speak from about the same moment to the end: 20 ms is the frame, 20 ms the way between the telephones.
    assert abs(left[0] - right[0]) <= 8 * 60
    assert abs(left[1] - right[1]) <= 8 * 60
    assert abs((left[1] - left[0]) - 6.5 * 8000) <= 8 * 100


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
    sound = recording_in(tmp_path)
    middle = sound[len(sound) // 2 - 4000 : len(sound) // 2 + 4000]
    left, right = middle[:, 0], middle[:, 1]
    assert abs(audio.level_of(left, 440) - SENT) <= 3.0
    assert audio.level_of(left, 880) <= SENT - 60.0
    assert abs(audio.level_of(right, 880) - SENT) <= 3.0
    assert audio.level_of(right, 440) <= SENT - 60.0
    started = [int(np.argmax(np.abs(sound[:, channel].astype(int)) > 500)) for channel in (0, 1)]
    assert abs(started[0] - started[1]) < 160 + 800  # the phones start within one round trip of each other
