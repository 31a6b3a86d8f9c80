"""The jitter buffer: order, loss, delay; and the kernel beside its twin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels
from softswitch.rtp.jitter import FRAME, JitterBuffer, Put, State

MS = 1_000_000
BLANK = 0xFF


def frame(n: int) -> bytes:
    return bytes([n % 250]) * FRAME


def heard(buffer: JitterBuffer, ms: float) -> int | None:
    """The number of the frame that is popped at ``ms``; -1 if it is missing, None if nobody talks."""
    came, samples = buffer.pop(BLANK, round(ms * MS))
    return None if came < 0 else -1 if came == 0 else samples[0]


def play(arrivals: dict[int, float], pops: int, first_pop: float = 15.0) -> tuple[JitterBuffer, list[int | None]]:
    """Frame n (from 0) arrives at ``arrivals[n]`` ms; the buffer is popped every 20 ms."""
    buffer, found = JitterBuffer(), []
    waiting = sorted((at, n) for n, at in arrivals.items())
    for i in range(pops):
        pop_at = first_pop + 20 * i
        while waiting and waiting[0][0] <= pop_at:
            at, n = waiting.pop(0)
            buffer.put(FRAME * n, frame(n), round(at * MS))
        found.append(heard(buffer, pop_at))
    return buffer, found


def test_a_steady_stream_is_played_whole_after_10_to_30_ms() -> None:
    buffer, found = play({n: 20.0 * n for n in range(6)}, pops=6)
    assert found == [0, 1, 2, 3, 4, 5]
    assert buffer.target == 1


def test_the_first_packet_waits_ten_milliseconds() -> None:
    _, found = play({n: 20.0 * n for n in range(3)}, pops=4, first_pop=9.0)
    assert found == [None, 0, 1, 2]


def test_reordered_packets_are_played_in_order() -> None:
    _, found = play({0: 0, 1: 34, 2: 33, 3: 60}, pops=4)
    assert found == [0, 1, 2, 3]


def test_a_lost_packet_is_one_missing_frame() -> None:
    buffer, found = play({0: 0, 2: 40, 3: 60}, pops=4)
    assert found == [0, -1, 2, 3]
    assert buffer.concealed == 1


def test_a_duplicate_is_played_once() -> None:
    buffer = JitterBuffer()
    assert buffer.put(0, frame(1), 0) is Put.STORED
    assert buffer.put(0, frame(1), 0) is Put.DUPLICATE
    assert [heard(buffer, 15), heard(buffer, 35)] == [1, -1]


def test_a_packet_that_comes_one_frame_late_is_played_and_the_delay_grows() -> None:
    arrivals = {0: 0.0, 1: 50.0, 2: 55.0, 3: 60.0, 4: 80.0}
    buffer, found = play(arrivals, pops=6)
    assert found == [0, -1, 1, 2, 3, 4]
    assert (buffer.target, buffer.late) == (2, 0)


def test_a_packet_that_comes_after_its_successor_was_played_is_late() -> None:
    buffer, found = play({0: 0, 1: 60, 2: 40, 3: 61}, pops=5)
    assert found[:4] == [0, -1, 2, 3]
    assert buffer.late == 1


def test_the_delay_stays_when_the_network_jitters_and_shrinks_when_it_is_calm() -> None:
    late_by = {n: (25.0 if n % 10 == 5 else 0.0) for n in range(200)}
    jittery = {n: 20.0 * n + late_by[n] for n in range(200)}
    calm = {n: 20.0 * n for n in range(200, 900)}
    buffer, found = play(jittery | calm, pops=900)
    assert sum(1 for f in found[30:199] if f == -1) == 0
    assert buffer.target == 1
    assert buffer.skipped == 1


def test_the_timestamps_wrap_without_a_gap() -> None:
    buffer = JitterBuffer()
    start = (1 << 32) - 2 * FRAME
    for n in range(5):
        buffer.put((start + FRAME * n) % (1 << 32), frame(n), 20 * MS * n)
    assert [heard(buffer, 100 + 20 * i) for i in range(5)] == [0, 1, 2, 3, 4]


def test_a_pause_of_the_sender_is_not_a_loss() -> None:
    buffer, found = play({0: 0, 30: 600, 31: 620}, pops=32)
    assert found[1:10] == [-1] * 9  # as if lost, at first
    assert found[10:31] == [None] * 20 + [30]
    assert found[31] == 31
    assert buffer.concealed == 9


def test_a_jump_of_the_timestamps_starts_anew() -> None:
    buffer = JitterBuffer()
    buffer.put(0, frame(1), 0)
    assert heard(buffer, 15) == 1
    assert buffer.put(800_000, frame(2), 20 * MS) is Put.RESYNCED
    assert [heard(buffer, 35), heard(buffer, 55)] == [2, -1]


def test_a_burst_after_a_stall_does_not_leave_its_delay_behind() -> None:
    arrivals = {0: 0.0} | dict.fromkeys(range(1, 16), 300.0) | {n: 20.0 * n for n in range(16, 40)}
    _, found = play(arrivals, pops=40)
    # Before the stall frame n is popped at 15 + 20n; two frames of delay may remain.
    assert found[39] is not None
    assert found[39] >= 36


def test_long_packets_are_played_in_frames() -> None:
    buffer = JitterBuffer()
    buffer.put(0, bytes([1]) * 240, 0)  # 30 ms packets
    buffer.put(240, bytes([2]) * 240, 0)
    pops = [buffer.pop(BLANK, (15 + 20 * i) * MS) for i in range(3)]
    assert [came for came, _ in pops] == [160, 160, 160]
    assert pops[1][1] == bytes([1]) * 80 + bytes([2]) * 80


def test_a_part_of_a_frame_is_filled_up_with_silence() -> None:
    buffer = JitterBuffer()
    buffer.put(0, bytes([1]) * 100, 0)
    assert buffer.pop(BLANK, 15 * MS) == (100, bytes([1]) * 100 + bytes([BLANK]) * 60)


# A sender that says the same for the same sample, on a network that may do anything.
arrival = st.tuples(
    st.just("put"),
    st.one_of(st.integers(-12, 40), st.integers(-60, 3000)),
    st.sampled_from([FRAME, FRAME, FRAME, 80, 240, 1]),
)
story = st.lists(st.one_of(arrival, st.tuples(st.just("pop"), st.integers(0, 3), st.just(0))), max_size=150)


@given(st.sampled_from([0, 1000, (1 << 32) - 2000]), story)
def test_kernel_and_twin_play_alike(start: int, steps: list[tuple[str, int, int]]) -> None:
    kernel, twin = kernels.JitterBuffer(), JitterBuffer()
    now = position = 0
    for what, first, second in steps:
        if what == "put":
            timestamp = (start + position + FRAME * first) % (1 << 32)
            payload = bytes((timestamp + i) % 251 for i in range(second))
            assert kernel.put(timestamp, payload, now) == twin.put(timestamp, payload, now)
        else:
            now += 20 * MS + first * MS
            position += FRAME
            assert kernel.pop(BLANK, now) == twin.pop(BLANK, now)
        counters = (twin.late, twin.duplicate, twin.concealed, twin.skipped)
        assert kernel.state[:2] == (twin.state, twin.target)
        assert kernel.state[3:] == counters


@given(st.lists(st.floats(0, 90), min_size=60, max_size=120), st.integers(0, 19))
def test_whatever_the_delays_frames_come_in_order_and_never_twice(delays: list[float], phase: int) -> None:
    _, found = play({n: 20.0 * n + delay for n, delay in enumerate(delays)}, pops=len(delays) + 8, first_pop=phase)
    numbers = [n for n in found if n is not None and n >= 0]
    assert numbers == sorted(set(numbers))


@given(st.lists(st.floats(0, 9), min_size=40, max_size=120), st.integers(0, 19))
def test_jitter_below_ten_milliseconds_costs_nothing(delays: list[float], phase: int) -> None:
    # The first packet sets the pace; none is more than 10 ms later than it.
    _, found = play({n: 20.0 * n + delay for n, delay in enumerate([0.0, *delays])}, pops=len(delays), first_pop=phase)
    assert -1 not in found


def test_the_state_is_idle_until_somebody_talks() -> None:
    buffer = JitterBuffer()
    assert buffer.pop(BLANK, 0) == (-1, b"")
    assert buffer.state is State.IDLE
