"""The pool of RTP ports: pairs, randomness, rest after use, and clear refusals."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.clock import VirtualClock
from softswitch.errors import NotPossible
from softswitch.ids import Ids
from softswitch.media.ports import PortPair, PortPool

# An address of the loopback network that nobody else uses.
HOST = "127.77.0.1"


class Pools:
    """Makes pools on one clock and closes what they opened."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self._opened: list[PortPair] = []

    def pool(
        self, low: int, high: int, *, seed: int = 1, cooldown: float = 30.0, least: float | None = None
    ) -> PortPool:
        """Return a pool in which nothing rests shorter than ``cooldown``, unless ``least`` is given."""
        rest = cooldown if least is None else least
        return PortPool(low, high, Ids(seed), cooldown=cooldown, least=rest, now=self.clock.now)

    def open(self, pool: PortPool, host: str = HOST) -> PortPair:
        pair = pool.open(host)
        self._opened.append(pair)
        return pair

    def close(self) -> None:
        for pair in self._opened:
            pair.rtp.close()
            pair.rtcp.close()


@pytest.fixture
def pools() -> Iterator[Pools]:
    pools = Pools()
    yield pools
    pools.close()


def taken(port: int) -> socket.socket:
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind((HOST, port))
    return other


def test_a_pair_is_an_even_port_and_the_next_one(pools: Pools) -> None:
    pair = pools.open(pools.pool(21_000, 21_099))
    assert pair.port % 2 == 0
    assert pair.local == pair.rtp.getsockname() == (HOST, pair.port)
    assert pair.rtcp.getsockname() == (HOST, pair.port + 1)


def test_the_sockets_never_block(pools: Pools) -> None:
    pair = pools.open(pools.pool(21_000, 21_099))
    with pytest.raises(BlockingIOError):
        pair.rtp.recv(10)
    with pytest.raises(BlockingIOError):
        pair.rtcp.recv(10)


def test_voice_is_marked_as_expedited(pools: Pools) -> None:
    pair = pools.open(pools.pool(21_000, 21_099))
    assert pair.rtp.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xB8  # DSCP 46


def test_an_ipv6_pair_is_ipv6_alone(pools: Pools) -> None:
    pair = pools.open(pools.pool(21_000, 21_099), "::1")
    assert pair.rtp.getsockname()[:2] == pair.local == ("::1", pair.port)
    assert pair.rtp.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


def test_pairs_stay_within_odd_borders(pools: Pools) -> None:
    # Of 21001 to 21006 only 21002+21003 and 21004+21005 are pairs.
    pool = pools.pool(21_001, 21_006)
    assert {pools.open(pool).port, pools.open(pool).port} == {21_002, 21_004}
    with pytest.raises(NotPossible, match="no RTP port left: of 21001-21006, 2 pairs are open and 0 rest"):
        pool.open(HOST)


def test_a_released_number_rests(pools: Pools) -> None:
    pool = pools.pool(21_000, 21_001, cooldown=30.0)
    pool.release(pools.open(pool))
    pools.clock.advance_to(pools.clock.now() + 29.9)
    with pytest.raises(NotPossible, match="0 pairs are open and 1 rest"):
        pool.open(HOST)
    pools.clock.advance_to(pools.clock.now() + 0.1)
    assert pools.open(pool).port == 21_000


def test_when_no_other_is_left_the_longest_rested_number_is_taken_early(pools: Pools) -> None:
    pool = pools.pool(21_000, 21_003, cooldown=30.0, least=2.0)
    first, second = pools.open(pool), pools.open(pool)
    pool.release(first)
    pools.clock.advance_to(pools.clock.now() + 1.0)
    pool.release(second)
    with pytest.raises(NotPossible, match="0 pairs are open and 2 rest"):
        pools.open(pool)
    pools.clock.advance_to(pools.clock.now() + 1.0)
    assert pools.open(pool).port == first.port
    with pytest.raises(NotPossible, match="1 pairs are open and 1 rest"):
        pools.open(pool)


def test_a_released_pair_is_closed(pools: Pools) -> None:
    pool = pools.pool(21_000, 21_001)
    pair = pools.open(pool)
    pool.release(pair)
    assert (pair.rtp.fileno(), pair.rtcp.fileno(), len(pool)) == (-1, -1, 0)


def test_a_second_release_does_nothing(pools: Pools) -> None:
    pool = pools.pool(21_000, 21_003, cooldown=0.0)
    pair = pools.open(pool)
    pool.release(pair)
    pool.release(pair)
    assert pools.open(pool).port != pools.open(pool).port


@pytest.mark.parametrize("busy", [21_002, 21_003])
def test_a_number_of_another_program_is_passed_over(pools: Pools, busy: int) -> None:
    with taken(busy):
        pool = pools.pool(21_000, 21_003)
        assert pools.open(pool).port == 21_000
        with pytest.raises(NotPossible, match="1 pairs are open and 1 rest"):
            pool.open(HOST)


def test_a_number_of_another_program_is_tried_again_later(pools: Pools) -> None:
    pool = pools.pool(21_000, 21_001, cooldown=30.0)
    with taken(21_001), pytest.raises(NotPossible):
        pool.open(HOST)
    pools.clock.advance_to(pools.clock.now() + 30.0)
    assert pools.open(pool).port == 21_000


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no-number.example", ""])
def test_an_address_that_is_not_ours_is_refused_and_costs_no_number(pools: Pools, host: str) -> None:
    pool = pools.pool(21_000, 21_001)
    if host:
        with pytest.raises(NotPossible, match=f"no RTP port on {host}: "):
            pool.open(host)
    assert pools.open(pool).port == 21_000


def test_too_many_open_files_is_said(pools: Pools) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    pool = pools.pool(21_000, 21_001)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(NotPossible, match="Too many open files"):
            pool.open(HOST)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert pools.open(pool).port == 21_000


def test_the_order_cannot_be_foreseen_but_repeats_with_the_seed(pools: Pools) -> None:
    def order(seed: int, low: int) -> list[int]:
        pool = pools.pool(low, low + 199, seed=seed)
        return [pools.open(pool).port - low for _ in range(20)]

    first = order(1, 22_000)
    assert order(1, 23_000) == first
    assert order(2, 24_000) != first
    assert first != sorted(first)


@given(st.lists(st.one_of(st.just("open"), st.integers(0, 9), st.floats(0.1, 20.0)), max_size=60), st.integers(0, 99))
def test_no_number_is_open_twice_or_before_its_rest_is_over(steps: list[str | int | float], seed: int) -> None:
    """A number releases the n-th open pair; a real number lets that many seconds pass."""
    pools = Pools()
    pool = pools.pool(25_000, 25_011, seed=seed, cooldown=10.0)
    pairs: list[PortPair] = []
    released: dict[int, float] = {}
    for step in steps:
        now = pools.clock.now()
        match step:
            case "open":
                resting = {port for port, at in released.items() if now - at < 10.0}
                if len(pairs) + len(resting) == 6:
                    with pytest.raises(NotPossible):
                        pool.open(HOST)
                    continue
                pair = pools.open(pool)
                assert pair.port not in resting | {other.port for other in pairs}
                pairs.append(pair)
            case int() if pairs:
                pair = pairs.pop(step % len(pairs))
                pool.release(pair)
                released[pair.port] = now
            case float():
                pools.clock.advance_to(now + step)
    assert len(pool) == len(pairs)
    pools.close()
