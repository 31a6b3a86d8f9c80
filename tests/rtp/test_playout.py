from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels, playout_kernels
from softswitch.rtp.delay import Delay
from softswitch.rtp.playout import Kind, Playout, Put, State
from tests.rtp.decoders import Pcmu, Toy
from tests.rtp.voices import voice

MS = 1_000_000
BEGAN = 5000 * MS
TICKS = 960  # of 20 ms at 48 kHz


def packet(n: int, *, steps: int = 8, recovers: bool = False) -> bytes:
    """Packet n of the toy codec: 20 ms in which every sample is 100 n to 100 n + 39."""
    return bytes([steps, n, n - 1] if recovers else [steps, n])


def heard(frame: list[int]) -> int | None:
    """The packet a frame begins with, -1 if it was made up, None if nobody talks."""
    return None if not frame else -1 if frame[0] == -7 else frame[0] // 100


def play(arrivals: dict[int, float], pops: int, *, first: float = 10.0) -> tuple[Playout, list[int | None]]:
    """Packets by number come at these milliseconds; a frame is taken each 20 ms from ``first`` on."""
    playout, found = Playout(Toy()), []
    waiting = sorted((at, n) for n, at in arrivals.items())
    for i in range(pops):
        now = first + 20 * i
        while waiting and waiting[0][0] <= now:
            at, n = waiting.pop(0)
            playout.put(Kind.AUDIO, n * TICKS, n, packet(n), BEGAN + round(at * MS))
        found.append(heard(playout.pop(BEGAN + round(now * MS))))
    return playout, found


def test_packets_in_time_are_played_in_order() -> None:
    playout, found = play({n: 20.0 * n for n in range(1, 6)}, pops=6)
    assert found == [None, 1, 2, 3, 4, 5]
    assert (playout.concealed, playout.late, playout.stretched) == (0, 0, 0)


@pytest.mark.parametrize("phase", range(0, 20, 2))
def test_a_clean_network_costs_5_to_25_milliseconds(phase: int) -> None:
    playout, found = play({n: 20.0 * n for n in range(1, 100)}, pops=100, first=phase)
    assert found[-1] is not None
    # Frame 99 is taken at 1980 + phase: what is heard then has come so much earlier.
    waited = 1980 + phase - 20 * found[-1]
    assert 5 <= waited < 25
    assert playout.delayed == waited * 48
    assert playout.concealed == 0


def test_reordered_packets_are_played_in_order() -> None:
    # 1 is 30 ms late, 2 is 22; 3 is the first in time.
    _, found = play({1: 50, 2: 62, 3: 60, 4: 80, 5: 100}, pops=8)
    assert found == [None, None, None, 1, 2, 3, 4, 5]


def test_a_lost_packet_is_one_frame_made_up() -> None:
    playout, found = play({1: 20, 3: 60, 4: 80, 5: 100}, pops=6, first=10)
    assert found == [None, 1, -1, 3, 4, 5]
    assert playout.concealed == 1


def test_a_duplicate_is_counted_and_played_once() -> None:
    playout = Playout(Toy())
    assert playout.put(Kind.AUDIO, 0, 1, packet(1), BEGAN) is Put.STORED
    assert playout.put(Kind.AUDIO, 0, 1, packet(1), BEGAN) is Put.DUPLICATE
    assert playout.duplicate == 1


def test_a_packet_that_is_late_is_heard_all_the_same_if_nothing_came_after_it() -> None:
    # 2 comes 15 ms after its frame: it is heard, and the stream is one frame later from then on.
    playout, found = play({1: 20, 2: 65, 3: 66, 4: 80, 5: 100}, pops=7)
    assert found == [None, 1, -1, 2, 3, 4, 5]
    assert (playout.late, playout.concealed) == (0, 1)


def test_a_packet_that_comes_after_its_successor_was_played_is_late() -> None:
    playout, found = play({1: 20, 2: 75, 3: 60, 4: 80}, pops=5)
    assert found == [None, 1, -1, 3, 4]
    assert playout.late == 1


def test_what_a_packet_tells_of_the_one_before_it_is_used() -> None:
    playout = Playout(Toy())
    found = []
    for n in (1, 3):
        playout.put(Kind.AUDIO, n * TICKS, n, packet(n, recovers=True), BEGAN + 20 * n * MS)
    for i in range(3):
        found.append(heard(playout.pop(BEGAN + (30 + 20 * i) * MS)))
    assert found == [1, 2, 3]
    assert playout.concealed == 0


def test_where_losses_are_frequent_sound_waits_for_the_packet_that_undoes_them() -> None:
    # Each tenth is lost. Taken 10 ms after they come, packets would always be too late to tell of the one before.
    playout, made_up = Playout(Toy()), []
    for n in range(1, 200):
        if n % 10:
            playout.put(Kind.AUDIO, n * TICKS, n, packet(n, recovers=True), BEGAN + 20 * n * MS)
        made_up.append(-7 in playout.pop(BEGAN + (20 * n + 10) * MS))
    assert sum(made_up[:40]) >= 3
    assert sum(made_up[60:]) == 0
    assert 30 * 48 <= playout.delayed < 55 * 48


def test_a_sender_that_stops_is_given_up_after_200_milliseconds() -> None:
    playout, found = play({1: 20}, pops=16)
    assert found[:2] == [None, 1]
    assert found[2:11] == [-1] * 9
    assert found[11:] == [None] * 5
    assert playout.state is State.IDLE


def test_a_pause_told_by_the_numbers_is_no_loss() -> None:
    # Number 2 follows 1, but 100 ms later. It is there, 20 ms faster than 1 was, when 1 has been played.
    playout = Playout(Pcmu())
    playout.put(Kind.AUDIO, 0, 1, bytes([0x80]) * 160, BEGAN)
    playout.put(Kind.AUDIO, 960, 2, bytes([0x80]) * 160, BEGAN + 100 * MS)
    assert [len(playout.pop(BEGAN + (80 + 20 * i) * MS)) for i in range(3)] == [160, 0, 160]
    assert playout.concealed == 0


def test_comfort_noise_ends_the_sound_without_concealment() -> None:
    playout = Playout(Pcmu())
    playout.put(Kind.AUDIO, 0, 1, bytes([0x80]) * 160, BEGAN)
    playout.put(Kind.SILENCE, 160, 2, b"", BEGAN + 20 * MS)
    assert len(playout.pop(BEGAN + 10 * MS)) == 160
    assert [playout.pop(BEGAN + (30 + 20 * i) * MS) for i in range(50)] == [[]] * 50
    assert (playout.concealed, playout.state) == (0, State.PLAYING)
    # A second later the sender speaks again, and is heard as soon as at the beginning.
    playout.put(Kind.AUDIO, 160 * 52, 3, bytes([0x80]) * 160, BEGAN + 1040 * MS)
    assert len(playout.pop(BEGAN + 1050 * MS)) == 160
    assert playout.concealed == 0


def test_comfort_noise_of_the_level_that_was_told_is_heard_until_speech_returns() -> None:
    playout = Playout(Pcmu())
    playout.put(Kind.AUDIO, 0, 1, bytes([0x80]) * 160, BEGAN)
    playout.put(Kind.SILENCE, 160, 2, bytes([40]), BEGAN + 20 * MS)
    assert len(playout.pop(BEGAN + 10 * MS)) == 160
    noise = np.array([playout.pop(BEGAN + (30 + 20 * i) * MS) for i in range(50)])
    # 0 dBov is a square wave of full scale; white noise of 8000 samples is within 0.2 dB of its level.
    assert 10 * np.log10(np.mean(noise**2) / 32_767**2) == pytest.approx(-40, abs=0.2)
    assert (playout.concealed, playout.state) == (0, State.PLAYING)
    playout.put(Kind.AUDIO, 160 * 52, 3, bytes([0x80]) * 160, BEGAN + 1040 * MS)
    assert playout.pop(BEGAN + 1050 * MS)[-1] == 32_124  # 0x80 of PCMU is the loudest
    # A key is no noise: what it stands for is heard in another way.
    playout.put(Kind.SILENCE, 160 * 53, 4, b"", BEGAN + 1060 * MS)
    assert playout.pop(BEGAN + 1070 * MS) == []


def test_a_codec_that_says_it_pauses_makes_the_noise_itself_and_nothing_counts_as_concealed() -> None:
    playout = Playout(Toy())
    playout.put(Kind.AUDIO, 0, 1, packet(200), BEGAN)
    found = [heard(playout.pop(BEGAN + (10 + 20 * i) * MS)) for i in range(20)]
    assert found == [200] + [-1] * 19
    playout.put(Kind.AUDIO, 20 * TICKS, 2, packet(5), BEGAN + 400 * MS)
    assert heard(playout.pop(BEGAN + 410 * MS)) == 5
    assert playout.concealed == 0


def test_what_is_made_up_in_pauses_without_a_word_does_not_count_and_is_not_given_up_the_second_time() -> None:
    # Opus in DTX sends a packet each 400 ms, and their numbers follow one another.
    playout = Playout(Toy())
    found = []
    for n in range(3):
        playout.put(Kind.AUDIO, 20 * n * TICKS, n, packet(n + 1), BEGAN + 400 * n * MS)
        found += [heard(playout.pop(BEGAN + (400 * n + 10 + 20 * i) * MS)) for i in range(20)]
    assert found[:11] == [1] + [-1] * 9 + [None]
    assert found[20:41] == [2] + [-1] * 19 + [3]
    assert playout.concealed == 0


def test_frames_between_two_numbers_of_which_one_is_missing_were_lost() -> None:
    playout, found = play({1: 20, 5: 100, 6: 120}, pops=7)
    assert found == [None, 1, -1, -1, -1, 5, 6]
    assert playout.concealed == 3


def test_the_timestamps_wrap_without_a_gap() -> None:
    playout = Playout(Toy())
    found = []
    for n in range(1, 8):
        playout.put(Kind.AUDIO, ((1 << 32) - 3 * TICKS + n * TICKS) % (1 << 32), n, packet(n), BEGAN + 20 * n * MS)
        found.append(heard(playout.pop(BEGAN + (20 * n + 10) * MS)))
    assert found == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("jump", [100_000_000, -100_000_000, 48_000])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_jump_of_the_timestamps_or_another_ssrc_is_not_heard(jump: int, restarted: bool) -> None:
    playout = Playout(Toy())
    found = []
    for n in range(1, 12):
        timestamp = (n * TICKS + (jump if n > 5 else 0)) % (1 << 32)
        sequence = n + (7000 if restarted and n > 5 else 0)
        playout.put(Kind.AUDIO, timestamp, sequence, packet(n), BEGAN + 20 * n * MS, restarted=restarted and n == 6)
        found.append(heard(playout.pop(BEGAN + (20 * n + 10) * MS)))
    assert found == list(range(1, 12))
    assert (playout.concealed, playout.late) == (0, 0)


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 60])
def test_every_packet_time_is_played_whole(ptime: int) -> None:
    playout = Playout(Pcmu())
    codes = kernels.encode(0, voice(8000, 1.2).astype("<i2").tobytes())
    found: list[int] = []
    for at in range(0, 1200, 2):
        if at % ptime == 0:
            payload = codes[8 * at : 8 * (at + ptime)]
            playout.put(Kind.AUDIO, 8 * at, at // ptime, payload, BEGAN + at * MS)
        if at % 20 == 16:
            found += playout.pop(BEGAN + at * MS)
    said = np.frombuffer(kernels.decode(0, codes), "<i2").tolist()
    assert found == said[: len(found)]
    assert len(found) >= 1200 * 8 - 3 * 160 - 8 * ptime
    assert (playout.concealed, playout.stretched) == (0, 0)


def test_a_burst_after_a_stall_is_played_off_within_a_second() -> None:
    # After six seconds eight packets are held up, and come together with the ninth.
    codes = kernels.encode(0, voice(8000, 8.0).astype("<i2").tobytes())
    playout, waits = playout_kernels.Playout(0), []
    come = {n: 6160.0 if 300 <= n < 308 else 20.0 * n for n in range(400)}
    for i in range(400):
        for n in [n for n, at in come.items() if 20 * (i - 1) + 10 < at <= 20 * i + 10]:
            playout.put(1, 160 * n, n, codes[160 * n : 160 * (n + 1)], BEGAN + round(come[n] * MS))
        playout.pop(BEGAN + (20 * i + 10) * MS)
        waits.append(playout.state[2] / 8)
    assert waits[299] == 10
    assert waits[309] > 120
    assert waits[309 + 50] <= 28
    assert (playout.state[3], playout.state[7]) == (0, 0)  # late, skipped


def test_jitter_is_learnt_in_some_packets_and_forgotten_in_seconds() -> None:
    delay = Delay(8000)
    for n in range(64):
        delay.learn(160 * n, 160 * n + (480 if n % 5 == 4 else 0))  # each fifth is 60 ms late
    assert delay.target == 65 * 8
    for n in range(64, 64 + 1200):
        delay.learn(160 * n, 160 * n)
    assert delay.target == 5 * 8


def test_the_target_never_exceeds_200_milliseconds() -> None:
    delay = Delay(48_000)
    for n in range(100):
        delay.learn(960 * n, 960 * n + 48 * (n % 2) * 900)
    assert delay.target == 200 * 48


def test_a_g711_leg_takes_less_than_12_kilobytes() -> None:
    assert sum(playout_kernels.memory(0)) < 12_000


@pytest.mark.parametrize("ppm", [200, -200])
def test_a_clock_that_is_off_by_200_ppm_is_followed_without_a_loss(ppm: int) -> None:
    # Ten minutes: 120 ms that a buffer of whole frames would have to cut or to repeat.
    spoken = kernels.encode(0, voice(8000, 10.0).astype("<i2").tobytes())
    playout = playout_kernels.Playout(0)
    period, n, waits = 20 * MS / (1 + ppm / 1e6), 0, []
    for i in range(30_000):
        now = BEGAN + (20 * i + 10) * MS
        while BEGAN + n * period <= now:
            playout.put(1, 160 * n, n % 65_536, spoken[160 * n % 80_000 :][:160], BEGAN + round(n * period))
            n += 1
        playout.pop(now)
        waits.append(playout.state[2] / 8)
    _, _, _, late, _, concealed, stretched, skipped = playout.state
    assert (late, concealed, skipped) == (0, 0, 0)
    assert 5 <= stretched <= 60
    assert max(waits) < 45


@given(st.lists(st.floats(0, 90), min_size=60, max_size=120), st.integers(0, 19))
def test_whatever_the_delays_packets_are_heard_in_order_and_never_twice(delays: list[float], phase: int) -> None:
    come = {n + 1: 20.0 * (n + 1) + delay for n, delay in enumerate(delays)}
    _, found = play(come, pops=len(delays) + 12, first=phase)
    numbers = [n for n in found if n is not None and n >= 0]
    assert numbers == sorted(numbers)
