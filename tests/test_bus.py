"""The bus: what readers get, and that one who is too slow is told of."""

from __future__ import annotations

from dataclasses import replace

from softswitch.bus import Bus
from softswitch.events import Event, SwitchStopped


class Office:
    """Numbers events, and notes when a reader begins to lose."""

    def __init__(self) -> None:
        self.seq = self.told = 0
        self.bus = Bus(self.number, self.losing)

    def number(self, event: Event) -> Event:
        self.seq += 1
        return replace(event, seq=self.seq)

    def losing(self) -> None:
        self.told += 1

    def happen(self, count: int) -> None:
        for _ in range(count):
            self.bus.publish(SwitchStopped())


async def test_a_reader_gets_each_event_in_order_until_the_end() -> None:
    office = Office()
    reader = office.bus.subscribe()
    office.happen(3)
    office.bus.close()
    assert [event.seq async for event in reader] == [1, 2, 3]
    assert (office.bus.lost, office.told) == (0, 0)


async def test_a_slow_reader_loses_the_oldest_and_is_told_of_once() -> None:
    office = Office()
    slow, quick = office.bus.subscribe(limit=2), office.bus.subscribe()
    office.happen(5)
    assert (slow.lost, quick.lost, office.bus.lost, office.told) == (3, 0, 3, 1)
    office.bus.unsubscribe(slow)
    office.bus.unsubscribe(quick)
    assert [event.seq async for event in slow] == [4, 5]
    assert [event.seq async for event in quick] == [1, 2, 3, 4, 5]


async def test_each_slow_reader_is_told_of_and_the_sum_outlives_them() -> None:
    office = Office()
    for _ in range(2):
        reader = office.bus.subscribe(limit=1)
        office.happen(3)
        office.bus.unsubscribe(reader)
    assert (office.bus.lost, office.told) == (4, 2)
