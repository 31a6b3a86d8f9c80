"""The brake on guessing passwords."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softswitch.directory.lockout import FREE, FREE_SOURCE, MOST_KEPT, Lockout, network

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def fail(lockout: Lockout, times: int, account: str = "110", source: str = HERE, now: float = 0.0) -> float:
    return [lockout.tried(source, account, now) for _ in range(times)][-1]


def test_four_mistakes_are_free_and_the_fifth_costs_half_a_minute() -> None:
    lockout = Lockout()
    assert fail(lockout, FREE - 1) == 0.0
    assert fail(lockout, 1) == 30.0
    assert lockout.wait(HERE, "110", now=29.0) == 1.0
    assert lockout.wait(HERE, "110", now=30.0) == 0.0


def test_the_wait_doubles_up_to_a_quarter_of_an_hour() -> None:
    lockout = Lockout()
    fail(lockout, FREE - 1)
    assert [lockout.tried(HERE, "110", 0.0) for _ in range(7)] == [30, 60, 120, 240, 480, 900, 900]


def test_another_source_is_not_locked_out_with_the_first() -> None:
    lockout = Lockout()
    fail(lockout, FREE)
    assert lockout.wait(ELSEWHERE, "110", 0.0) == 0.0
    assert lockout.wait(HERE, "111", 0.0) == 0.0


def test_a_source_that_tries_one_account_after_another_is_locked_out_of_all() -> None:
    lockout = Lockout()
    for number in range(FREE_SOURCE):
        lockout.tried(HERE, str(1000 + number), 0.0)
    assert lockout.wait(HERE, "110", 0.0) == 30.0


def test_an_account_without_a_name_is_one_account_and_not_the_whole_source() -> None:
    # A caller who shows no number: his mistakes must not shut out all who come by the same trunk.
    lockout = Lockout()
    assert fail(lockout, FREE - 1, account="") == 0.0
    assert fail(lockout, 1, account="") == 30.0
    assert lockout.wait(HERE, "110", 0.0) == 0.0


def test_a_success_clears_the_account_and_an_hour_clears_everything() -> None:
    lockout = Lockout()
    fail(lockout, FREE - 1)
    lockout.succeeded(HERE, "110")
    assert fail(lockout, FREE - 1) == 0.0
    assert fail(lockout, 1, now=3601.0) == 0.0


def test_many_tries_at_once_are_all_counted_before_the_first_is_answered() -> None:
    lockout = Lockout()
    waits = [lockout.tried(HERE, "110", 0.0) for _ in range(10)]
    assert sum(wait == 0.0 for wait in waits) == FREE - 1


def test_an_attacker_has_a_whole_network_of_ipv6() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1") == "2001:db8::/64"
    assert network("::ffff:192.0.2.1") == "192.0.2.1"
    assert network("fe80::1%eth0") == "fe80::/64"
    assert network("testclient") == "testclient"


@given(st.lists(st.tuples(st.integers(0, 99), st.text(max_size=3), st.floats(0, 1e6)), max_size=60))
def test_no_wait_is_negative_or_longer_than_a_quarter_of_an_hour(tries: list[tuple[int, str, float]]) -> None:
    lockout = Lockout()
    for source, account, now in sorted(tries, key=lambda one: one[2]):
        assert 0.0 <= lockout.tried(f"192.0.2.{source}", account, now) <= 900.0


def test_what_it_remembers_is_bounded() -> None:
    lockout = Lockout()
    for number in range(MOST_KEPT + 10):
        lockout.tried(HERE, str(number), 0.0)
    assert lockout.wait(HERE, "x", 0.0) == 900.0
    assert len(lockout._kept) == MOST_KEPT
