"""Each key is told once, by however many ways a telephone sends it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softswitch.calls.digits import Keypad
from softswitch.media.engine import Means

EVENT, INFO, SOUND = Means.EVENT, Means.INFO, Means.SOUND


def test_a_key_that_comes_three_ways_is_told_once():
    keypad = Keypad()
    assert [keypad.press("5", way, at) for way, at in ((EVENT, 0.1), (INFO, 0.15), (SOUND, 0.2))] == ["5", "", ""]


def test_two_quick_equal_keys_are_two_though_both_come_both_ways():
    keypad = Keypad()
    told = [keypad.press("1", way, at) for way, at in ((EVENT, 0.1), (EVENT, 0.3), (INFO, 0.35), (INFO, 0.5))]
    assert told == ["1", "1", "", ""]


def test_the_same_key_two_seconds_later_is_another_press():
    keypad = Keypad()
    assert keypad.press("1", EVENT, 0.0) == "1"
    assert keypad.press("1", INFO, 2.0) == "1"


def test_an_info_waits_for_the_event():
    keypad = Keypad()
    assert keypad.press("7", INFO, 0.0, heard=True) == ""
    assert keypad.deadline == 0.5
    assert keypad.press("7", EVENT, 0.2, heard=True) == "7"
    assert keypad.deadline is None
    assert keypad.tick(0.5) == ""


def test_who_sends_info_alone_is_waited_for_once():
    keypad = Keypad()
    assert keypad.press("7", INFO, 0.0, heard=True) == ""
    assert keypad.tick(0.5) == "7"
    assert keypad.press("8", INFO, 1.0, heard=True) == "8"


@given(
    st.lists(st.tuples(st.sampled_from("12"), st.floats(0.12, 3.0), st.sets(st.sampled_from(Means), min_size=1)),
             max_size=12),
    st.booleans(),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_whatever_is_pressed_is_told_once_and_in_order_of_its_first_way(presses, heard, random):
    # Each press comes by its ways within 100 ms, so no two presses overlap in one way.
    told, keypad, arrivals, now = "", Keypad(), [], 0.0
    for digit, gap, ways in presses:
        now += gap
        arrivals += [(now + random.uniform(0, 0.1), digit, way) for way in sorted(ways)]
    for at, digit, way in sorted(arrivals):
        told += keypad.tick(at) + keypad.press(digit, way, at, heard=heard)
    told += keypad.tick(now + 10)
    one_way = all(ways == set(Means) for _, _, ways in presses)
    if one_way:
        assert sorted(told) == sorted(digit for digit, _, _ in presses)
    assert len(told) <= len(presses)
