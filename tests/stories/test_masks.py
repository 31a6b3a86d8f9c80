"""What is said and pressed while a conversation is masked is heard by both and on no track of the recording."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from softswitch.calls.modes import Mode
from softswitch.errors import SwitchError
from softswitch.events import DigitPressed, RecordingMasked, RecordingUnmasked
from tests.sim import audio
from tests.stories.centre import CUSTOMER, EMPLOYEE, SUPERVISOR, Centre, hears


def masked(office: Centre, on: bool, *, by: str = "101") -> str | None:
    (call,) = office.control.calls
    try:
        office._put(office.control.mask(call.id, on, by, "api", office.now))
    except SwitchError as error:
        return str(error)
    return None


def tracks(folder: Path) -> list[np.ndarray]:
    (path,) = folder.rglob("*.wav")
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
    return [samples[:, channel] for channel in range(samples.shape[1])]


def told(office: Centre) -> list[tuple[str, str]]:
    return [(event.by, event.via) for kind in (RecordingMasked, RecordingUnmasked) for event in office.told(kind)]


def second(track: np.ndarray, number: int) -> np.ndarray:
    return track[number * 8000 + 800 : (number + 1) * 8000 - 800]


def test_both_tracks_are_silent_while_it_is_masked_and_keep_their_places(tmp_path: Path):
    office = Centre(recordings=tmp_path)
    office.converse()
    office.run(1.5)  # half a second passed in the answer
    assert masked(office, True) is None
    office.listen_for(2)
    assert hears(office.anna, CUSTOMER)
    assert hears(office.customer, EMPLOYEE)
    assert masked(office, False) is None
    office.run(2)
    office.customer.hang_up()
    office.run(2)
    for track, tone in zip(tracks(tmp_path), (CUSTOMER, EMPLOYEE), strict=True):
        assert [audio.level_of(second(track, at), tone) > -20 for at in (1, 2, 3, 4, 5)] == [
            True, False, False, True, True,
        ]  # fmt: skip
        assert not second(track, 2).any()
        assert not second(track, 3).any()


def test_keys_in_between_reach_the_other_side_and_not_the_timeline():
    office = Centre()
    office.converse()
    for on, digit in ((True, "4"), (False, "7")):
        masked(office, on)
        office.customer.press(digit)
        office.run(1)
    assert office.anna.digits_heard == ["4", "7"]
    assert [event.digit for event in office.told(DigitPressed)] == ["", "7"]
    assert told(office) == [("101", "api")] * 2


def test_who_comes_while_it_is_masked_is_masked_too(tmp_path: Path):
    office = Centre(recordings=tmp_path)
    office.reload(whisper_track=True)
    office.converse()
    masked(office, True)
    office.supervise(Mode.BARGE)
    office.run(2)
    assert hears(office.customer, SUPERVISOR)
    office.take_over()
    office.run(2)
    assert hears(office.customer, SUPERVISOR)
    office.customer.hang_up()
    office.run(2)
    sample = 8000  # half a second of the answer, and as long again until it was masked
    assert not any(track[sample:].any() for track in tracks(tmp_path))


def test_a_code_on_a_second_line_masks_and_unmasks():
    office = Centre(sound=False)
    office.converse()
    second_line = office.phone("101", host="10.0.9.1")
    for text in ("nothing is recorded from now on", "the recording goes on"):
        second_line.call("*45")
        office.run(3)
        assert second_line.status == 200
        assert text in second_line.last("BYE", request=True)["reason"]
    assert told(office) == [("101", "code")] * 2


def test_who_is_in_no_conversation_has_nothing_to_mask():
    office = Centre(sound=False)
    office.converse()
    other = office.phone("102")
    other.call("*45")
    office.run(1)
    assert other.status == 480
    assert "102 is in no conversation" in other.reason
    assert office.told(RecordingMasked) == []


@pytest.mark.parametrize(
    ("on", "why"), [(True, "the recording is masked already"), (False, "the recording is not masked")]
)
def test_what_is_so_already_is_refused(on: bool, why: str):
    office = Centre(sound=False)
    office.converse()
    if on:
        assert masked(office, True) is None
    assert masked(office, on) == why


def test_nothing_is_masked_before_two_talk():
    office = Centre(sound=False)
    office.anna.answer = None
    office.customer.call("+74951234567")
    office.run(1)
    assert masked(office, True) == "nobody talks in this conversation"
