"""Whose packets are believed: RTP bleed and injection (reliability.md M1, M2) in small."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.media import kernels
from softswitch.rtp.source_policy import SourcePolicy, Verdict

PHONE, NAT, THIEF = ("192.0.2.1", 4000), ("203.0.113.9", 61_000), ("198.51.100.66", 6666)


def learning() -> SourcePolicy:
    policy = SourcePolicy()
    policy.signal(PHONE, NAT[0])
    return policy


def streams(policy: SourcePolicy, source: tuple[str, int], since: int, seconds: float) -> Verdict:
    """A stream of 20 ms packets from there; what is thought of it in the end."""
    verdict = Verdict.DROP
    for n in range(round(seconds * 50)):
        verdict = policy.receive(source, True, 5, n % 65_536, since + 20 * n)
    return verdict


def test_without_a_session_nobody_is_believed_and_nothing_is_sent() -> None:
    policy = SourcePolicy()
    assert policy.receive(PHONE, True, 1, 1) is Verdict.DROP
    assert policy.target is None


def test_the_signalled_address_is_believed_at_once() -> None:
    policy = learning()
    assert policy.target == PHONE
    assert policy.receive(PHONE, True, 1, 1) is Verdict.LATCHED
    assert policy.receive(PHONE, True, 1, 2) is Verdict.ACCEPT


def test_a_phone_behind_nat_proves_itself_with_four_packets() -> None:
    policy = learning()
    verdicts = [policy.receive(NAT, True, 5, number) for number in (65_534, 65_535, 0)]
    assert verdicts == [Verdict.DROP] * 3
    assert policy.target == PHONE
    assert policy.receive(NAT, True, 5, 1) is Verdict.LATCHED
    assert policy.target == NAT


def test_a_spray_without_sequence_never_proves_itself() -> None:
    policy = learning()
    assert all(policy.receive(THIEF, True, 5, 7) is Verdict.DROP for _ in range(100))
    assert all(policy.receive(THIEF, True, ssrc, ssrc) is Verdict.DROP for ssrc in range(100))
    assert all(policy.receive(THIEF, False, 5, number) is Verdict.DROP for number in range(100))
    assert policy.target == PHONE


def test_a_packet_of_the_signalled_address_ends_all_other_claims() -> None:
    policy = learning()
    for number in range(3):
        policy.receive(THIEF, True, 5, number)
    assert policy.receive(PHONE, True, 1, 1) is Verdict.LATCHED
    assert policy.receive(THIEF, True, 5, 3) is Verdict.DROP


def test_once_locked_even_a_perfect_copy_from_elsewhere_is_dropped() -> None:
    policy = learning()
    policy.receive(PHONE, True, 1, 1)
    assert all(policy.receive(THIEF, True, 1, number) is Verdict.DROP for number in range(2, 50))
    assert policy.target == PHONE


def test_the_same_address_signalled_again_changes_nothing() -> None:
    policy = learning()
    for number in range(4):
        policy.receive(NAT, True, 5, number)
    assert policy.signal(PHONE) is False
    assert policy.target == NAT


def test_a_new_signalled_address_opens_learning() -> None:
    policy = learning()
    policy.receive(PHONE, True, 1, 1)
    other = ("192.0.2.1", 4002)
    assert policy.signal(other) is True
    assert policy.target == other
    assert policy.receive(other, True, 1, 2) is Verdict.LATCHED


def test_after_a_timeout_the_peer_may_come_from_elsewhere() -> None:
    policy = learning()
    policy.receive(PHONE, True, 1, 1)
    policy.relearn()
    assert policy.target == PHONE
    for number in range(3):
        assert policy.receive(NAT, True, 1, number) is Verdict.DROP
    assert policy.receive(NAT, True, 1, 3) is Verdict.LATCHED


def test_after_a_timeout_the_same_source_goes_on_silently() -> None:
    policy = learning()
    policy.receive(PHONE, True, 1, 1)
    policy.relearn()
    assert policy.receive(PHONE, True, 1, 2) is Verdict.ACCEPT
    assert policy.receive(THIEF, True, 1, 3) is Verdict.DROP


INNER, OUTER, PROXY = "192.168.1.5", "203.0.113.9", "198.51.100.1"


@pytest.mark.parametrize(
    ("sdp", "signaller", "sender", "old", "spoken"),
    [
        *itertools.product(
            ["192.0.2.1", INNER],
            [None, "192.0.2.1", INNER, OUTER, PROXY],
            ["sdp", "signaller", THIEF[0]],
            [False, True],
            [False, True],
        )
    ],
)
def test_nobody_is_believed_whom_signalling_has_not_named_but_behind_a_nat_that_it_does_not_show(
    sdp: str, signaller: str | None, sender: str, old: bool, spoken: bool
) -> None:
    host = {"sdp": sdp, "signaller": signaller or THIEF[0]}.get(sender, sender)
    policy = SourcePolicy()
    policy.signal((sdp, 4000), signaller, 0)
    if spoken:
        policy.receive((sdp, 4000), True, 1, 1, 20)
        policy.relearn()
    verdicts = [policy.receive((host, 5004), True, 5, n, 20 * n) for n in range(500 if old else 249)]
    named = host in (sdp, signaller)
    hidden = sdp == INNER and signaller in ("192.0.2.1", OUTER, PROXY)
    believed = named or (hidden and old and not spoken)
    assert (Verdict.LATCHED in verdicts) is believed
    if believed:
        # The fourth packet, or the first one five seconds after the address was signalled.
        assert verdicts.index(Verdict.LATCHED) == (3 if named else 250)
        assert policy.target == (host, 5004)
    else:
        assert policy.target == (sdp, 4000)


def test_where_a_stranger_can_be_believed_it_is_the_one_who_was_there_first() -> None:
    policy, first, later = SourcePolicy(), (OUTER, 40_000), THIEF
    policy.signal((INNER, 4000), PROXY, 0)
    told = []
    for n in range(400):
        if n >= 20:
            # Ten times as fast, and in every pause.
            told += [policy.receive(later, True, 6, (10 * n + i) % 65_536, 20 * n) for i in range(10)]
        if policy.receive(first, True, 5, n, 20 * n) is Verdict.LATCHED:
            break
    assert policy.target == first
    assert set(told) == {Verdict.DROP}


def test_a_spray_at_a_phone_that_is_silent_for_long_gets_nothing() -> None:
    policy = learning()
    assert streams(policy, THIEF, 0, 30.0) is Verdict.DROP
    assert policy.target == PHONE


def test_a_peer_that_fell_silent_is_not_succeeded_by_a_stranger() -> None:
    policy = SourcePolicy()
    policy.signal((INNER, 4000), PROXY, 0)
    assert streams(policy, NAT, 0, 10.0) is Verdict.ACCEPT
    policy.relearn()
    assert streams(policy, THIEF, 40_000, 30.0) is Verdict.DROP
    # But its NAT may have given it another port.
    assert streams(policy, (NAT[0], 62_000), 80_000, 0.08) is Verdict.LATCHED


def test_another_port_of_the_signalled_host_is_no_stranger() -> None:
    policy = SourcePolicy()
    policy.signal(PHONE, NAT[0])
    told = [policy.receive((PHONE[0], 4002), True, 5, n) for n in range(4)]
    assert told[-1] is Verdict.LATCHED


def test_a_stream_that_the_peer_disabled_is_not_learned() -> None:
    policy = learning()
    policy.signal(None)
    assert all(policy.receive(THIEF, True, 1, number) is Verdict.DROP for number in range(10))
    assert policy.target is None


def test_reports_come_from_the_same_host() -> None:
    policy = learning()
    assert policy.control(("192.0.2.1", 9))
    assert not policy.control(NAT)
    for number in range(4):
        policy.receive(NAT, True, 5, number)
    assert policy.control(("203.0.113.9", 1))
    assert not policy.control(PHONE)


addresses = st.sampled_from([PHONE, NAT, THIEF, *((f"10.0.0.{i}", 5000) for i in range(5))])
steps = st.one_of(
    st.tuples(st.just("signal"), st.one_of(st.none(), addresses), st.sampled_from([None, NAT[0], "10.0.0.1"])),
    st.tuples(st.just("relearn")),
    st.tuples(st.just("wait"), st.integers(0, 6000)),
    st.tuples(st.just("run"), addresses, st.integers(0, 1), st.integers(65_430, 65_535), st.integers(1, 300)),
    st.tuples(st.just("receive"), addresses, st.booleans(), st.integers(0, 1), st.integers(0, 4)),
)


@given(st.lists(steps, max_size=60))
def test_kernel_and_twin_judge_alike(story: list[tuple[object, ...]]) -> None:
    kernel, twin, now = kernels.SourcePolicy(), SourcePolicy(), 0
    for what, *arguments in story:
        match what, arguments:
            case "signal", [remote, signaller]:
                assert kernel.signal(remote, signaller, now) == twin.signal(remote, signaller, now)  # type: ignore[arg-type]
            case "wait", [milliseconds]:
                now += milliseconds  # type: ignore[operator]
            case "relearn", _:
                kernel.relearn()
                twin.relearn()
            case "run", [source, ssrc, start, count]:
                for i in range(count):
                    number = (start + i) % 65_536
                    now += 20
                    assert kernel.receive(source, True, ssrc, number, now) == twin.receive(
                        source, True, ssrc, number, now
                    )
            case _, [source, expected, ssrc, number]:
                assert kernel.receive(source, expected, ssrc, number, now) == twin.receive(
                    source, expected, ssrc, number, now
                )
        assert kernel.target == twin.target
        assert all(kernel.control(host) == twin.control(host) for host in (PHONE, NAT, THIEF))
