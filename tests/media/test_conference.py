"""Many who hear each other: one sum for all, less each one's own voice."""

from __future__ import annotations

import pytest

from softswitch.media.engine import Codec, PortId, SourceId
from tests.media.virtual_room import Phone, Room


def conference(room: Room, size: int, codecs: tuple[Codec, ...] = (Codec.PCMU,), speakers: int = 3) -> list[Phone]:
    """Three voices at once fit into the range; the others are quiet."""
    phones = [room.phone(440.0 + 200 * i if i < speakers else None, codecs[i % len(codecs)]) for i in range(size)]
    gather(room, phones)
    return phones


def gather(room: Room, phones: list[Phone]) -> None:
    room.connect(*((phone, [other for other in phones if other is not phone]) for phone in phones))


@pytest.mark.parametrize("silent", [False, True])
def test_a_member_hears_what_somebody_outside_hears_of_the_others(silent: bool) -> None:
    room = Room()
    members = conference(room, 12, speakers=12)
    members[3].silent = silent
    # The observers' rows have the same sources, but nobody shares them: they are summed one by one.
    observers = [room.phone() for _ in members]
    for observer, member in zip(observers, members, strict=True):
        room.connect((observer, [other for other in members if other is not member]))
    room.run(0.5)
    for observer, member in zip(observers, members, strict=True):
        assert [p.payload for p in member.audio[-15:]] == [p.payload for p in observer.audio[-15:]]


def test_both_laws_hear_the_same_conference() -> None:
    room = Room()
    phones = conference(room, 9, (Codec.PCMU, Codec.PCMA))
    room.run(0.7)
    for phone in phones:
        heard = [other.frequency for other in phones if other is not phone and other.frequency]
        assert all(abs(phone.level(frequency)) < 3 for frequency in heard)
        assert phone.frequency is None or phone.level(phone.frequency) < -45


def test_who_speaks_softer_to_one_listener_is_summed_apart_for_that_listener() -> None:
    room = Room()
    phones = conference(room, 10)
    row: dict[SourceId | PortId, float] = {phone.port: 1.0 for phone in phones[1:]}
    row[phones[2].port] = 0.5
    room.engine.hear(phones[0].port, row)  # type: ignore[arg-type]
    room.run(0.8)
    assert phones[0].level(phones[2].frequency or 0.0) == pytest.approx(-6.02, abs=0.5)
    assert phones[1].level(phones[2].frequency or 0.0) == pytest.approx(0, abs=0.5)


def test_who_joins_and_leaves_is_heard_and_no_longer_heard() -> None:
    room = Room()
    phones = conference(room, 9)
    room.run(0.3)
    late = room.phone(1800.0)
    gather(room, [*phones, late])
    room.run(0.6)
    assert all(abs(phone.level(1800.0)) < 3 for phone in phones)
    room.engine.close_port(late.port)
    room.phones.remove(late)
    room.run(0.7)
    assert all(phone.level(1800.0) < -35 for phone in phones)
    assert all(abs(phones[8].level(other.frequency or 0.0)) < 3 for other in phones[:3])
