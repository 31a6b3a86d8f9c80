"""SIPp against the switch: the signalling of real calls, by the book and against it.

The 32 seconds of a lost ACK (64*T1) run beside the other tests: the call is
placed by the first test and judged by the last.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.peers import required
from tests.interop.running import HOST, INBOUND, INBOUND_ALL, PROVIDER, RunningSwitch, free_port, until
from tests.interop.sipp import SCENARIOS, Played, Sipp

LOST_ACK_WITHIN = 60.0


def register(sipp: Sipp, switch: RunningSwitch, extension: int, transport: str = "u1") -> int:
    """Bind the extension to a port that is free again on return, ready for a scenario that answers there."""
    played = sipp.play("register", switch.port, caller=str(extension), transport=transport)
    played.succeeds()
    return played.port


# The slow one ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def call_without_ack(
    switch: RunningSwitch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Played, Played]]:
    sipp = Sipp(required("sipp"), tmp_path_factory.mktemp("lost-ack"))
    try:
        port = register(sipp, switch, 118)
        callee = sipp.play("answer", switch.port, port=port)
        yield sipp.play("call_without_ack", switch.port, caller="119", called="118"), callee
    finally:
        sipp.end()


def test_the_switch_repeats_its_200_while_the_ack_is_missing(call_without_ack: tuple[Played, Played]) -> None:
    caller, _ = call_without_ack
    until(lambda: caller.messages.count("SIP/2.0 200 OK") >= 3, "the 200 is repeated twice", 10.0)


# Registration ---------------------------------------------------------------------------------------------------------


def test_a_telephone_registers_with_digest(switch: RunningSwitch, sipp: Sipp) -> None:
    sipp.play("register", switch.port, caller="101").succeeds()


def test_a_wrong_password_does_not_register(switch: RunningSwitch, sipp: Sipp) -> None:
    sipp.play("register_refused", switch.port, caller="101", password="guess").succeeds()


def test_an_unknown_person_is_answered_like_a_wrong_password(switch: RunningSwitch, sipp: Sipp) -> None:
    sipp.play("register_refused", switch.port, caller="999").succeeds()


def test_nobody_registers_for_somebody_else(switch: RunningSwitch, sipp: Sipp) -> None:
    refused = sipp.play("register_for_another", switch.port, caller="103", called="104")
    refused.succeeds()


def test_a_telephone_registers_over_tcp(switch: RunningSwitch, sipp: Sipp) -> None:
    sipp.play("register", switch.port, caller="102", transport="t1").succeeds()


def test_two_hundred_telephones_register_at_once(switch: RunningSwitch, sipp: Sipp) -> None:
    rows = [(str(extension),) for extension in range(200, 400)]
    sipp.play("register", switch.port, rows=rows, caller="[field0]", calls=200, rate=200, trace=False).succeeds()


def test_options_are_answered_with_what_we_understand(switch: RunningSwitch, sipp: Sipp) -> None:
    sipp.play("options", switch.port).succeeds()


# Calls ----------------------------------------------------------------------------------------------------------------


def test_two_hundred_calls_at_once_fail_never(switch: RunningSwitch, sipp: Sipp) -> None:
    # 50 calls start in a second and last 6 s, so all 200 talk at the same time.
    callee = sipp.play("answer", switch.port, port=register(sipp, switch, 109), calls=200, trace=False)
    caller = sipp.play(
        "call",
        switch.port,
        rows=[(str(extension),) for extension in range(200, 400)],
        caller="[field0]",
        called="109",
        calls=200,
        rate=50,
        talk=6.0,
        trace=False,
    )
    caller.succeeds(45.0)
    callee.succeeds(10.0)


def test_the_builtin_caller_of_sipp_reaches_its_builtin_telephone(switch: RunningSwitch, sipp: Sipp) -> None:
    port = register(sipp, switch, 101)
    callee = sipp.play("-uas", switch.port, port=port, calls=20)
    caller = sipp.play("-uac", switch.port, host=PROVIDER, called=INBOUND, calls=20, rate=40)
    caller.succeeds()
    callee.succeeds()


def test_a_person_calls_the_outside_through_the_trunk(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("-uas", switch.port, host=PROVIDER, port=switch.provider_port)
    sipp.play("call", switch.port, caller="101", called="89161234567").succeeds()
    callee.succeeds()
    assert "INVITE sip:+79161234567@" in callee.messages


def test_the_provider_sees_the_number_of_the_office_and_not_the_extension(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("-uas", switch.port, host=PROVIDER, port=switch.provider_port)
    sipp.play("call", switch.port, caller="101", called="89161234567").succeeds()
    callee.succeeds()
    (sender,) = {line for line in callee.messages.splitlines() if line.startswith("From:")} or {""}
    assert f"sip:{INBOUND}@" in sender


def test_a_provider_that_challenges_is_answered_with_the_account(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("answer_challenging", switch.port, host=PROVIDER, port=switch.provider_port)
    sipp.play("call", switch.port, caller="101", called="89161234567").succeeds()
    callee.succeeds()


def test_a_call_from_the_provider_reaches_the_person_of_the_number(switch: RunningSwitch, sipp: Sipp) -> None:
    port = register(sipp, switch, 110)
    callee = sipp.play("answer", switch.port, port=port)
    sipp.play("call_from_trunk", switch.port, host=PROVIDER, caller="+79161234567", called=INBOUND_ALL).succeeds()
    callee.succeeds()


def test_the_callee_hangs_up(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("answer_and_hang_up", switch.port, port=register(sipp, switch, 103))
    sipp.play("call_until_released", switch.port, caller="104", called="103").succeeds()
    callee.succeeds()


def test_a_busy_telephone_gives_the_caller_486(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("answer_refused", switch.port, port=register(sipp, switch, 103), words={"line": "486 Busy Here"})
    sipp.play("call_refused", switch.port, caller="104", called="103", words={"status": "486"}).succeeds()
    callee.succeeds()


def test_a_decline_reaches_the_caller_as_603(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("answer_refused", switch.port, port=register(sipp, switch, 103), words={"line": "603 Decline"})
    sipp.play("call_refused", switch.port, caller="104", called="103", words={"status": "603"}).succeeds()
    callee.succeeds()


def test_a_telephone_that_nobody_answers_is_cancelled_and_the_caller_gets_480(
    switch: RunningSwitch, sipp: Sipp
) -> None:
    callee = sipp.play("answer_never", switch.port, port=register(sipp, switch, 103))
    sipp.play("call_refused", switch.port, caller="104", called="103", words={"status": "480"}).succeeds()
    callee.succeeds()


def test_a_person_without_a_telephone_gives_the_caller_480(switch: RunningSwitch, sipp: Sipp) -> None:
    sipp.play("call_refused", switch.port, caller="104", called="117", words={"status": "480"}).succeeds()


def test_a_number_that_does_not_exist_gives_404(switch: RunningSwitch, sipp: Sipp) -> None:
    sipp.play("call_refused", switch.port, caller="104", called="7777", words={"status": "404"}).succeeds()


def test_a_caller_who_gives_up_is_answered_487_and_the_telephone_stops_ringing(
    switch: RunningSwitch, sipp: Sipp
) -> None:
    callee = sipp.play("answer_never", switch.port, port=register(sipp, switch, 105))
    sipp.play("call_cancelled", switch.port, caller="104", called="105").succeeds()
    callee.succeeds()


def test_hold_and_resume_are_answered_with_the_mirrored_direction(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("answer", switch.port, port=register(sipp, switch, 106))
    sipp.play("call_held", switch.port, caller="104", called="106").succeeds()
    callee.succeeds()
    # The callee is not troubled with it: one INVITE only.
    assert callee.messages.count("\nINVITE sip:") == 1


def test_keys_told_by_info_are_told_by_info_to_who_has_no_events(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("answer_told", switch.port, port=register(sipp, switch, 106))
    sipp.play("call_telling", switch.port, caller="104", called="106").succeeds()
    callee.succeeds()


def test_a_late_offer_is_answered_by_an_offer_of_ours(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("answer", switch.port, port=register(sipp, switch, 107))
    sipp.play("call_late_offer", switch.port, caller="104", called="107").succeeds()
    callee.succeeds()


def test_a_caller_over_tcp_talks_to_a_telephone_over_udp(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("answer", switch.port, port=register(sipp, switch, 108))
    sipp.play("call", switch.port, caller="104", called="108", transport="t1").succeeds()
    callee.succeeds()


def test_a_telephone_over_tcp_is_called_through_the_connection_it_registered_by(
    switch: RunningSwitch, sipp: Sipp
) -> None:
    answering = ("-oocsf", str(SCENARIOS / "answer.xml"))
    callee = sipp.play("register_and_stay", switch.port, caller="111", transport="t1", talk=4.0, extra=answering)
    until(lambda: "SIP/2.0 200 OK" in callee.messages, "the telephone is registered", 5.0)
    sipp.play("call", switch.port, caller="104", called="111").succeeds()
    callee.succeeds()


def test_twenty_calls_over_one_tcp_connection(switch: RunningSwitch, sipp: Sipp) -> None:
    callee = sipp.play("answer", switch.port, port=register(sipp, switch, 108), calls=20)
    sipp.play("call", switch.port, caller="104", called="108", transport="t1", calls=20, rate=50).succeeds()
    callee.succeeds()


# Who may not ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def provider(switch: RunningSwitch) -> Iterator[socket.socket]:
    """The provider's socket: nothing may arrive on it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((PROVIDER, switch.provider_port))
        listening.setblocking(False)
        yield listening


def heard(listening: socket.socket) -> bytes:
    try:
        return listening.recv(65535)
    except BlockingIOError:
        return b""


def test_an_unauthenticated_invite_never_reaches_the_trunk(
    switch: RunningSwitch, sipp: Sipp, provider: socket.socket
) -> None:
    stranger = sipp.play(
        "call_without_account", switch.port, caller="stranger", called="89161234567", words={"status": "401"}
    )
    stranger.succeeds()
    assert heard(provider) == b""


def test_a_wrong_password_never_reaches_the_trunk(switch: RunningSwitch, sipp: Sipp, provider: socket.socket) -> None:
    thief = sipp.play("call_wrong_password", switch.port, caller="101", called="89161234567", password="guess")
    thief.succeeds()
    assert heard(provider) == b""


def test_a_call_from_the_trunk_never_goes_out_by_the_trunk(
    switch: RunningSwitch, sipp: Sipp, provider: socket.socket
) -> None:
    looping = sipp.play(
        "call_without_account",
        switch.port,
        host=PROVIDER,
        caller="+79160000000",
        called="89161234567",
        words={"status": "404"},
    )
    looping.succeeds()
    assert heard(provider) == b""


# The slow one, judged -------------------------------------------------------------------------------------------------


def test_a_call_whose_ack_is_lost_is_released_on_both_sides(
    switch: RunningSwitch, call_without_ack: tuple[Played, Played]
) -> None:
    caller, callee = call_without_ack
    caller.succeeds(LOST_ACK_WITHIN)
    callee.succeeds(10.0)


def test_no_call_of_this_file_is_left_open(switch: RunningSwitch) -> None:
    until(lambda: not switch.open_calls(), "every call is closed", 10.0)
    assert {call["state"] for call in switch.calls()} == {"ended"}


def test_the_switch_stops_when_asked(tmp_path: Path) -> None:
    switch = RunningSwitch(tmp_path / "stops", port=free_port(HOST))
    try:
        switch.start()
        assert switch.stop() == 0
    finally:
        switch.end()
