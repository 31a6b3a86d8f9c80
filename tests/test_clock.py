from __future__ import annotations

from weakref import WeakSet

from hypothesis import given
from hypothesis import strategies as st

from softswitch.clock import Deadlines, VirtualClock


def test_the_earliest_deadline_comes_first():
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("late", 5.0)
    deadlines.set("soon", 2.0)
    assert deadlines.next == 2.0
    assert [deadlines.due(5.0), deadlines.due(5.0), deadlines.due(5.0)] == ["soon", "late", None]


def test_a_moved_deadline_fires_once_and_only_at_its_new_time():
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.set("a", 3.0)
    assert deadlines.due(2.0) is None
    assert deadlines.due(3.0) == "a"
    assert deadlines.due(9.0) is None


@given(st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.floats(0, 100)))))
def test_deadlines_equal_a_plain_dictionary(steps: list[tuple[int, float | None]]):
    deadlines: Deadlines[int] = Deadlines()
    plain: dict[int, float] = {}
    for key, at in steps:
        deadlines.set(key, at)
        plain.pop(key, None)
        if at is not None:
            plain[key] = at
    assert deadlines.next == min(plain.values(), default=None)
    fired = []
    while (key := deadlines.due(1000.0)) is not None:
        fired.append(plain[key])
    assert fired == sorted(plain.values())
    assert len(deadlines) == 0


def test_a_virtual_clock_carries_civil_time_along():
    clock = VirtualClock(now=0.0)
    before = clock.utc()
    clock.advance_to(90.0)
    assert (clock.utc() - before).total_seconds() == 90.0


class _Key:
    """Something whose end can be seen."""


def test_deadlines_that_were_cleared_do_not_pile_up() -> None:
    deadlines: Deadlines[_Key] = Deadlines()
    seen: WeakSet[_Key] = WeakSet()
    deadlines.set(_Key(), 0.5)  # the earliest stays, so that none of the others ever surfaces
    for at in range(1000):
        key = _Key()
        seen.add(key)
        deadlines.set(key, 1.0 + at)
        deadlines.set(key, None)
    del key
    assert len(seen) <= 65
