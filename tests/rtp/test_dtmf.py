"""RFC 4733: digits received once, digits sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels
from softswitch.rtp.dtmf import Began, DtmfReceiver, DtmfSender, Ended, Event, EventPacket, parse

MS = 1_000_000


def press(receiver: DtmfReceiver, event: int, start: int, *, ends: int = 3, now: int = 0) -> list[Began | Ended]:
    """A key of 100 ms: five packets, the last of them the first end."""
    told = []
    for i in range(1, 5):
        told += receiver.receive(Event(event, False, 10, 160 * i), start, now + 20 * MS * i)
    for i in range(ends):
        told += receiver.receive(Event(event, True, 10, 800), start, now + 20 * MS * (5 + i))
    return told


def test_a_digit_with_three_ends_is_told_once() -> None:
    assert press(DtmfReceiver(), 5, 8000) == [Began(5), Ended(5, 800)]


def test_the_same_digit_twice_is_told_twice() -> None:
    receiver = DtmfReceiver()
    assert press(receiver, 5, 8000) + press(receiver, 5, 9600) == [Began(5), Ended(5, 800)] * 2


def test_a_digit_whose_ends_were_lost_is_told_after_a_silence() -> None:
    receiver = DtmfReceiver()
    assert press(receiver, 5, 8000, ends=0) == [Began(5)]
    assert receiver.tick(279 * MS) == []
    assert receiver.tick(280 * MS) == [Ended(5, 640)]
    assert receiver.tick(281 * MS) == []


def test_a_digit_whose_ends_were_lost_is_told_when_the_next_begins() -> None:
    receiver = DtmfReceiver()
    press(receiver, 5, 8000, ends=0)
    assert press(receiver, 6, 9600, now=200 * MS) == [Ended(5, 640), Began(6), Ended(6, 800)]


def test_an_end_that_comes_very_late_is_not_another_digit() -> None:
    receiver = DtmfReceiver()
    press(receiver, 5, 8000)
    assert receiver.receive(Event(5, True, 10, 800), 8000, 2000 * MS) == []


def test_only_the_end_came() -> None:
    assert DtmfReceiver().receive(Event(11, True, 10, 800), 8000, 0) == [Began(11), Ended(11, 800)]


def test_a_long_press_goes_on_in_segments() -> None:
    receiver = DtmfReceiver()
    told = receiver.receive(Event(1, False, 10, 65_535), 1000, 0)
    told += receiver.receive(Event(1, False, 10, 160), 66_535, 20 * MS)
    told += receiver.receive(Event(1, True, 10, 320), 66_535, 40 * MS)
    assert told == [Began(1), Ended(1, 65_855)]


def test_payloads_that_are_no_digit_are_refused_by_both() -> None:
    assert parse(b"\x05\x8a\x03") is None
    assert kernels.parse_event(b"\x05\x8a\x03") is None
    assert parse(b"\x11\x8a\x03\x20") is None
    assert kernels.parse_event(b"\x11\x8a\x03\x20") is None
    assert parse(b"\x10\x8a\x03\x20") == Event(16, True, 10, 800)


def test_a_key_of_100_ms_is_five_packets_and_two_more_ends() -> None:
    sender = DtmfSender()
    sender.press(7, 800)
    packets = [sender.next(1000 + 160 * i) for i in range(9)]
    assert packets == [
        EventPacket(7, False, 160, 1000, True),
        EventPacket(7, False, 320, 1000, False),
        EventPacket(7, False, 480, 1000, False),
        EventPacket(7, False, 640, 1000, False),
        EventPacket(7, True, 800, 1000, False),
        EventPacket(7, True, 800, 1000, False),
        EventPacket(7, True, 800, 1000, False),
        None,  # 60 ms after the key was released
        None,
    ]
    assert not sender.busy


def test_a_second_key_waits_for_the_pause_and_has_its_own_timestamp() -> None:
    sender = DtmfSender()
    sender.press(1, 800)
    sender.press(2, 800)
    packets = [sender.next(160 * i) for i in range(9)]
    assert packets[7] is None
    assert packets[8] == EventPacket(2, False, 160, 160 * 8, True)


def test_a_key_that_is_held_lasts_until_it_is_released() -> None:
    sender = DtmfSender()
    sender.press(3, 0)
    held = [sender.next(160 * i) for i in range(50)]
    assert all(packet and not packet.end for packet in held)
    sender.release(3, 8000)
    last = sender.next(8000)
    assert last == EventPacket(3, True, 8160, 0, False)


def test_a_key_that_was_released_before_its_turn_is_sent_whole() -> None:
    sender = DtmfSender()
    sender.press(3, 0)
    sender.release(3, 480)
    sent = [packet for packet in (sender.next(160 * i) for i in range(10)) if packet]
    assert [packet.duration for packet in sent] == [160, 320, 480, 480, 480]


def test_a_full_queue_refuses_a_key() -> None:
    sender = DtmfSender()
    assert [sender.press(1, 800) for _ in range(33)] == [True] * 32 + [False]


events = st.builds(Event, st.integers(0, 2), st.booleans(), st.just(10), st.integers(0, 6).map(lambda n: n * 160))
starts = st.sampled_from([0, 160, 800, 1600, 4_294_967_200, 4_294_901_761, 65_535, 100_000])
received = st.tuples(events, starts, st.integers(0, 300))


@given(st.lists(received, max_size=60))
def test_kernel_and_twin_hear_the_same_digits(packets: list[tuple[Event, int, int]]) -> None:
    kernel, twin = kernels.DtmfReceiver(), DtmfReceiver()
    now = 0
    for packet, timestamp, wait in packets:
        now += wait * MS
        assert kernel.tick(now) == shown(twin.tick(now))
        assert kernel.receive(bytes(packet), timestamp, now) == shown(twin.receive(packet, timestamp, now))


def shown(told: list[Began | Ended]) -> list[tuple[object, ...]]:
    return [("began", fact.event) if isinstance(fact, Began) else ("ended", fact.event, fact.duration) for fact in told]


@given(st.lists(st.integers(0, 15), min_size=1, max_size=8), st.sets(st.integers(0, 55)))
def test_every_digit_is_told_once_whatever_is_lost_if_one_packet_of_it_comes(digits: list[int], lost: set[int]) -> None:
    sender, receiver = DtmfSender(), DtmfReceiver()
    for digit in digits:
        sender.press(digit, 800)
    told: list[Began | Ended] = []
    expected = []
    frame = 0
    while sender.busy:
        packet = sender.next(160 * frame)
        now = 20 * MS * frame
        if packet and frame not in lost:
            told += receiver.receive(Event(packet.event, packet.end, 10, packet.duration), packet.timestamp, now)
            if (packet.event, packet.timestamp) not in expected:
                expected.append((packet.event, packet.timestamp))
        told += receiver.tick(now)
        frame += 1
    told += receiver.tick(20 * MS * frame + 1000 * MS)
    assert [fact.event for fact in told if isinstance(fact, Ended)] == [digit for digit, _ in expected]


keys = st.one_of(
    st.tuples(st.just("press"), st.integers(0, 3), st.sampled_from([0, 160, 800])),
    st.tuples(st.just("release"), st.integers(0, 3), st.integers(0, 1000)),
    st.tuples(st.just("next"), st.integers(1, 6), st.just(0)),
)


@given(st.lists(keys, max_size=80))
def test_kernel_and_twin_send_the_same_packets(story: list[tuple[str, int, int]]) -> None:
    kernel, twin = kernels.DtmfSender(), DtmfSender()
    timestamp = 0
    for what, first, second in story:
        if what == "press":
            assert kernel.press(first, second) == twin.press(first, second)
        elif what == "release":
            kernel.release(first, second)
            twin.release(first, second)
        else:
            for _ in range(first):
                packet = twin.next(timestamp)
                found = kernel.next(timestamp)
                assert found == (
                    packet and (packet.event, packet.end, packet.duration, packet.timestamp, packet.marker)
                )
                timestamp += 160
        assert kernel.busy == twin.busy
