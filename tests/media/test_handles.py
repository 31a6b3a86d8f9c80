"""Handles of the media core: few places are touched, and none is mistaken for its successor."""

from __future__ import annotations

from softswitch.media.core_engine import REST, Handles, index_of


def test_a_thousand_calls_one_after_another_touch_few_places() -> None:
    handles = Handles(1, 0, 8192)
    touched = set()
    for _ in range(1000):
        handle = handles.take()
        assert handle is not None
        touched.add(index_of(handle))
        handles.give_back(handle)
    assert len(touched) == REST + 1


def test_a_place_comes_back_under_another_handle() -> None:
    handles = Handles(1, 0, 1)
    first = handles.take()
    assert first is not None
    assert handles.take() is None
    handles.give_back(first)
    second = handles.take()
    assert second is not None
    assert (second != first, index_of(second)) == (True, index_of(first))


def test_all_places_are_given_out_before_it_says_no() -> None:
    handles = Handles(1, 0, 200)
    assert len({handles.take() for _ in range(200)} - {None}) == 200
    assert handles.take() is None
