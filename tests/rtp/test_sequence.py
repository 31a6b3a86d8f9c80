"""RFC 3550 appendix A.1, A.3, A.8."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels
from softswitch.rtp.sequence import Order, Sequence


def judged(*numbers: int) -> list[Order]:
    sequence = Sequence()
    return [sequence.receive(1, number) for number in numbers]


def test_packets_in_order() -> None:
    assert judged(65_534, 65_535, 0, 1) == [Order.FIRST, Order.NEXT, Order.NEXT, Order.NEXT]


def test_a_late_packet_is_reordered_once_and_then_a_duplicate() -> None:
    assert judged(10, 12, 11, 11, 12) == [Order.FIRST, Order.NEXT, Order.REORDERED, Order.DUPLICATE, Order.DUPLICATE]


def test_reordering_across_the_wrap() -> None:
    assert judged(65_534, 0, 65_535, 65_535) == [Order.FIRST, Order.NEXT, Order.REORDERED, Order.DUPLICATE]


def test_a_single_wild_number_is_not_believed() -> None:
    assert judged(10, 20_000, 11) == [Order.FIRST, Order.SUSPECT, Order.NEXT]


def test_two_wild_numbers_in_order_are_a_restart() -> None:
    assert judged(10, 20_000, 20_001, 20_002) == [Order.FIRST, Order.SUSPECT, Order.RESTARTED, Order.NEXT]


def test_another_ssrc_is_another_stream_and_losses_stay_counted() -> None:
    sequence = Sequence()
    for number in (1, 2, 5):  # 3 and 4 are lost
        sequence.receive(7, number)
    assert sequence.receive(8, 900) is Order.FIRST
    sequence.receive(8, 902)  # 901 too
    assert sequence.lost == 3


def test_jitter_is_the_mean_deviation_of_appendix_a8() -> None:
    sequence = Sequence()
    sequence.arrival(0, 1000)
    sequence.arrival(160, 1160)  # on time
    assert sequence.jitter == 0
    sequence.arrival(320, 1336)  # 16 samples late: J += 16 - (0 + 8 >> 4)
    assert sequence.jitter == 16
    sequence.arrival(480, 1480)  # and back: J += 16 - (16 + 8 >> 4)
    assert sequence.jitter == 31


numbers = st.one_of(st.integers(0, 65_535), st.integers(0, 90), st.integers(65_500, 65_535))
arrivals = st.tuples(st.integers(0, 2), numbers, st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1))
clocks = st.sampled_from([8000, 48_000])


@given(st.lists(arrivals, max_size=120), clocks)
def test_kernel_and_twin_judge_alike(packets: list[tuple[int, int, int, int]], clock: int) -> None:
    kernel, twin = kernels.Sequence(), Sequence()
    for ssrc, number, timestamp, at in packets:
        assert kernel.receive(ssrc, number) == twin.receive(ssrc, number)
        kernel.arrival(timestamp, at, clock)
        twin.arrival(timestamp, at, clock)
        expected = (twin.ssrc, twin.first, twin.highest, twin.received, twin.lost, twin.jitter)
        assert kernel.state == expected


@given(st.integers(0, 65_535), st.permutations(range(30)))
def test_every_packet_of_a_shuffled_stream_counts_once(start: int, order: list[int]) -> None:
    sequence = Sequence()
    sequence.receive(1, start)
    judgements = [sequence.receive(1, (start + 1 + n) % 65_536) for n in order]
    assert set(judgements) <= {Order.NEXT, Order.REORDERED}
    assert (sequence.received, sequence.lost) == (31, 0)
