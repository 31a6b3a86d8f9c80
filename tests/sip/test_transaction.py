"""The four transaction machines against the figures of RFC 3261 section 17, RFC 6026 and RFC 4320.

All instants are counted by hand from T1 = 0.5, T2 = 4, T4 = 5 and a start at zero.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response
from softswitch.sip.transaction import (
    Cancel,
    Deliver,
    InviteClient,
    InviteServer,
    NonInviteClient,
    NonInviteServer,
    Send,
    Terminated,
    TimedOut,
    Timers,
    TransportFailed,
    ack_for,
    cancel_for,
)
from softswitch.sip.uri import Uri

RFC = Timers()
Machine = InviteClient | InviteServer | NonInviteClient | NonInviteServer


def request(method: str = "INVITE") -> Request:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKone;rport"),
            ("Max-Forwards", "69"),
            ("Route", "<sip:proxy.example;lr>"),
            ("From", "<sip:alice@office.example>;tag=a"),
            ("To", "<sip:bob@office.example>"),
            ("Call-ID", "call-1"),
            ("CSeq", f"7 {method}"),
            ("Contact", "<sip:alice@192.0.2.1>"),
            ("Require", "100rel"),
        ]
    )
    return Request(method, Uri(user="bob", host="office.example"), headers, b"body")


def response(status: int, method: str = "INVITE") -> Response:
    return request(method).reply(status, to_tag="b")


def run(machine: Machine, until: float) -> list[tuple[float, str]]:
    """Tick at each deadline up to ``until``; return what happened when, in one word each."""
    seen = []
    while (at := machine.deadline) is not None and at <= until:
        seen += [(at, word(output)) for output in machine.tick(at)]
    return seen


def words(outputs: list[Any]) -> list[str]:
    return [word(output) for output in outputs]


def word(output: Any) -> str:
    match output:
        case Send(Request() as sent):
            return f"send {sent.method}"
        case Send(sent):
            return f"send {sent.status}"
        case Deliver(Request() as told):
            return f"deliver {told.method}"
        case Deliver(told):
            return f"deliver {told.status}"
    return type(output).__name__


def invite_client(*, reliable: bool = False) -> InviteClient:
    machine = InviteClient(request(), RFC, reliable=reliable)
    assert words(machine.start(0.0)) == ["send INVITE"]
    return machine


def invite_server(*, reliable: bool = False) -> InviteServer:
    machine = InviteServer(request(), RFC, reliable=reliable)
    assert machine.start(0.0) == []
    return machine


def options_client(*, reliable: bool = False) -> NonInviteClient:
    machine = NonInviteClient(request("OPTIONS"), RFC, reliable=reliable)
    assert words(machine.start(0.0)) == ["send OPTIONS"]
    return machine


def options_server(*, reliable: bool = False) -> NonInviteServer:
    machine = NonInviteServer(request("OPTIONS"), RFC, reliable=reliable)
    assert machine.start(0.0) == []
    return machine


class TestInviteClient:
    """RFC 3261 section 17.1.1, RFC 6026 section 7.2."""

    def test_unanswered_invite_is_sent_seven_times_in_32_seconds_and_times_out(self) -> None:
        resent = [(at, "send INVITE") for at in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)]
        assert run(invite_client(), 1000.0) == [*resent, (32.0, "TimedOut"), (32.0, "Terminated")]

    def test_over_tcp_an_unanswered_invite_is_sent_once(self) -> None:
        assert run(invite_client(reliable=True), 1000.0) == [(32.0, "TimedOut"), (32.0, "Terminated")]

    def test_provisional_response_stops_all_timers(self) -> None:
        machine = invite_client()
        assert words(machine.receive(response(180), 0.4)) == ["deliver 180"]
        assert machine.deadline is None

    def test_each_provisional_response_is_delivered(self) -> None:
        machine = invite_client()
        assert [words(machine.receive(response(status), 0.1)) for status in (100, 180, 183)] == [
            ["deliver 100"],
            ["deliver 180"],
            ["deliver 183"],
        ]

    @pytest.mark.parametrize("first", [None, 180])
    def test_success_is_delivered_and_the_transaction_stays_for_64_t1(self, first: int | None) -> None:
        machine = invite_client()
        if first:
            machine.receive(response(first), 1.0)
        assert words(machine.receive(response(200), 2.0)) == ["deliver 200"]
        assert run(machine, 1000.0) == [(34.0, "Terminated")]

    def test_second_success_of_a_fork_is_delivered_and_does_not_prolong(self) -> None:
        machine = invite_client()
        machine.receive(response(200), 2.0)
        assert words(machine.receive(response(200), 10.0)) == ["deliver 200"]
        assert run(machine, 1000.0) == [(34.0, "Terminated")]

    def test_late_provisional_or_failure_after_success_is_dropped(self) -> None:
        machine = invite_client()
        machine.receive(response(200), 2.0)
        assert machine.receive(response(180), 2.1) == machine.receive(response(486), 2.2) == []

    def test_failure_is_acknowledged_then_delivered(self) -> None:
        machine = invite_client()
        assert words(machine.receive(response(486), 1.0)) == ["send ACK", "deliver 486"]

    def test_repeated_failure_is_acknowledged_again_and_not_delivered(self) -> None:
        machine = invite_client()
        first = machine.receive(response(486), 1.0)
        again = machine.receive(response(486), 2.0)
        assert words(again) == ["send ACK"]
        assert again[0].message is first[0].message

    def test_after_failure_it_waits_32_seconds_for_repetitions(self) -> None:
        machine = invite_client()
        machine.receive(response(486), 1.0)
        assert run(machine, 1000.0) == [(33.0, "Terminated")]

    def test_over_tcp_it_ends_with_the_failure(self) -> None:
        machine = invite_client(reliable=True)
        assert words(machine.receive(response(486), 1.0)) == ["send ACK", "deliver 486", "Terminated"]

    def test_success_after_failure_is_dropped(self) -> None:
        machine = invite_client()
        machine.receive(response(486), 1.0)
        assert machine.receive(response(200), 1.1) == []

    def test_tick_that_comes_late_sends_only_once(self) -> None:
        machine = invite_client()
        assert words(machine.tick(20.0)) == ["send INVITE"]

    def test_tick_after_the_end_of_patience_sends_nothing_more(self) -> None:
        assert words(invite_client().tick(40.0)) == ["TimedOut", "Terminated"]

    def test_tick_that_comes_early_does_nothing(self) -> None:
        machine = invite_client()
        assert machine.tick(0.499) == []
        assert machine.deadline == 0.5

    @pytest.mark.parametrize("status", [180, 200])
    def test_transport_failure_is_old_news_once_a_response_came(self, status: int) -> None:
        machine = invite_client()
        machine.receive(response(status), 0.1)
        assert machine.transport_failed(0.2) == []

    def test_transport_failure_ends_it(self) -> None:
        assert words(invite_client().transport_failed(0.1)) == ["TransportFailed", "Terminated"]


class TestCancel:
    """RFC 3261 section 9.1."""

    def test_cancel_waits_for_a_provisional_response(self) -> None:
        machine = invite_client()
        assert machine.cancel(0.1) == []
        assert words(machine.receive(response(100), 0.2)) == ["deliver 100", "Cancel"]

    def test_cancel_goes_at_once_after_a_provisional_response(self) -> None:
        machine = invite_client()
        machine.receive(response(180), 0.1)
        assert words(machine.cancel(0.2)) == ["Cancel"]

    def test_cancel_is_sent_once(self) -> None:
        machine = invite_client()
        machine.cancel(0.1)
        machine.receive(response(100), 0.2)
        assert machine.cancel(0.3) == []
        assert words(machine.receive(response(180), 0.4)) == ["deliver 180"]

    @pytest.mark.parametrize("status", [200, 486])
    def test_cancel_is_never_sent_after_a_final_response(self, status: int) -> None:
        machine = invite_client()
        machine.cancel(0.1)
        assert "Cancel" not in words(machine.receive(response(status), 0.2))
        assert machine.cancel(0.3) == []

    def test_invite_that_stays_unanswered_after_cancel_counts_as_cancelled(self) -> None:
        machine = invite_client()
        machine.receive(response(180), 1.0)
        machine.cancel(5.0)
        assert run(machine, 1000.0) == [(37.0, "TimedOut"), (37.0, "Terminated")]

    def test_success_that_crosses_the_cancel_is_delivered(self) -> None:
        machine = invite_client()
        machine.receive(response(180), 1.0)
        machine.cancel(5.0)
        assert words(machine.receive(response(200), 5.1)) == ["deliver 200"]
        assert run(machine, 1000.0) == [(37.1, "Terminated")]

    def test_cancel_copies_what_section_9_1_lists_and_nothing_else(self) -> None:
        cancel = cancel_for(request(), (("Reason", "SIP;cause=200"),))
        assert (cancel.method, cancel.uri, cancel.body) == ("CANCEL", request().uri, b"")
        assert list(cancel.headers.items()) == [
            ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKone;rport"),
            ("Max-Forwards", "70"),
            ("Route", "<sip:proxy.example;lr>"),
            ("From", "<sip:alice@office.example>;tag=a"),
            ("To", "<sip:bob@office.example>"),
            ("Call-ID", "call-1"),
            ("CSeq", "7 CANCEL"),
            ("Reason", "SIP;cause=200"),
        ]

    def test_ack_of_a_failure_takes_its_to_from_the_response(self) -> None:
        ack = ack_for(request(), response(486))
        assert ack.headers.get("To") == "<sip:bob@office.example>;tag=b"
        assert (ack.method, str(ack.cseq), ack.via.branch) == ("ACK", "7 ACK", "z9hG4bKone")
        assert ack.headers.all("Route") == ["<sip:proxy.example;lr>"]
        assert "Require" not in ack.headers
        assert "Contact" not in ack.headers


class TestInviteServer:
    """RFC 3261 section 17.2.1, RFC 6026 section 7.1."""

    def test_slow_user_is_spoken_for_with_100_after_200_ms(self) -> None:
        machine = invite_server()
        assert run(machine, 1000.0) == [(0.2, "send 100")]

    def test_no_100_when_the_user_answers_in_time(self) -> None:
        machine = invite_server()
        machine.send(response(180), 0.1)
        assert machine.deadline is None

    def test_retransmission_before_any_response_is_absorbed(self) -> None:
        assert invite_server().receive(request(), 0.1) == []

    def test_retransmission_is_answered_with_the_last_provisional_response(self) -> None:
        machine = invite_server()
        machine.send(response(100), 0.0)
        machine.send(response(183), 0.1)
        assert words(machine.receive(request(), 0.5)) == ["send 183"]

    def test_success_is_sent_once_and_the_transaction_absorbs_for_64_t1(self) -> None:
        machine = invite_server()
        assert words(machine.send(response(200), 3.0)) == ["send 200"]
        assert machine.receive(request(), 3.5) == []
        assert run(machine, 1000.0) == [(35.0, "Terminated")]

    def test_user_may_send_its_success_again(self) -> None:
        machine = invite_server()
        machine.send(response(200), 3.0)
        assert words(machine.send(response(200), 3.5)) == ["send 200"]

    def test_failure_after_success_is_dropped(self) -> None:
        machine = invite_server()
        machine.send(response(200), 3.0)
        assert machine.send(response(486), 3.1) == machine.send(response(180), 3.2) == []

    def test_ack_with_the_branch_of_an_accepted_invite_is_delivered(self) -> None:
        machine = invite_server()
        machine.send(response(200), 3.0)
        assert words(machine.receive(request("ACK"), 3.1)) == ["deliver ACK"]

    def test_unacknowledged_failure_is_sent_eleven_times_in_32_seconds_and_times_out(self) -> None:
        machine = invite_server()
        assert words(machine.send(response(486), 0.0)) == ["send 486"]
        at = (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
        assert run(machine, 1000.0) == [
            *((instant, "send 486") for instant in at),
            (32.0, "TimedOut"),
            (32.0, "Terminated"),
        ]

    def test_over_tcp_a_failure_is_sent_once_and_still_wants_its_ack(self) -> None:
        machine = invite_server(reliable=True)
        machine.send(response(486), 0.0)
        assert run(machine, 1000.0) == [(32.0, "TimedOut"), (32.0, "Terminated")]

    def test_retransmitted_invite_is_answered_with_the_failure(self) -> None:
        machine = invite_server()
        machine.send(response(486), 0.0)
        assert words(machine.receive(request(), 0.1)) == ["send 486"]

    def test_ack_stops_the_failure_and_further_acks_are_absorbed_for_t4(self) -> None:
        machine = invite_server()
        machine.send(response(486), 0.0)
        assert machine.receive(request("ACK"), 1.0) == []
        assert machine.receive(request("ACK"), 1.1) == machine.receive(request(), 1.2) == []
        assert run(machine, 1000.0) == [(6.0, "Terminated")]

    def test_over_tcp_the_ack_ends_it(self) -> None:
        machine = invite_server(reliable=True)
        machine.send(response(486), 0.0)
        assert words(machine.receive(request("ACK"), 1.0)) == ["Terminated"]

    def test_transport_failure_is_told_and_the_state_stays(self) -> None:
        machine = invite_server()
        machine.send(response(486), 0.0)
        assert words(machine.transport_failed(0.1)) == ["TransportFailed"]
        assert machine.state == "completed"


class TestNonInviteClient:
    """RFC 3261 section 17.1.2."""

    def test_unanswered_request_is_sent_eleven_times_in_32_seconds_and_times_out(self) -> None:
        at = (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
        assert run(options_client(), 1000.0) == [
            *((instant, "send OPTIONS") for instant in at),
            (32.0, "TimedOut"),
            (32.0, "Terminated"),
        ]

    def test_over_tcp_it_is_sent_once(self) -> None:
        assert run(options_client(reliable=True), 1000.0) == [(32.0, "TimedOut"), (32.0, "Terminated")]

    def test_after_a_provisional_response_it_is_sent_every_t2(self) -> None:
        machine = options_client()
        assert words(machine.receive(response(100, "OPTIONS"), 0.1)) == ["deliver 100"]
        assert run(machine, 13.0) == [
            (0.5, "send OPTIONS"),
            (4.5, "send OPTIONS"),
            (8.5, "send OPTIONS"),
            (12.5, "send OPTIONS"),
        ]

    @pytest.mark.parametrize("status", [200, 302, 404, 503, 603])
    def test_final_response_is_delivered_once_and_repetitions_absorbed_for_t4(self, status: int) -> None:
        machine = options_client()
        assert words(machine.receive(response(status, "OPTIONS"), 1.0)) == [f"deliver {status}"]
        assert machine.receive(response(status, "OPTIONS"), 1.5) == []
        assert run(machine, 1000.0) == [(6.0, "Terminated")]

    def test_over_tcp_the_final_response_ends_it(self) -> None:
        machine = options_client(reliable=True)
        assert words(machine.receive(response(200, "OPTIONS"), 1.0)) == ["deliver 200", "Terminated"]

    @pytest.mark.parametrize("first", [None, 100])
    def test_transport_failure_ends_it(self, first: int | None) -> None:
        machine = options_client()
        if first:
            machine.receive(response(first, "OPTIONS"), 0.1)
        assert words(machine.transport_failed(0.2)) == ["TransportFailed", "Terminated"]


class TestNonInviteServer:
    """RFC 3261 section 17.2.2, RFC 4320 section 4."""

    def test_retransmission_before_the_answer_is_absorbed(self) -> None:
        assert options_server().receive(request("OPTIONS"), 0.5) == []

    def test_final_response_is_repeated_on_request_for_64_t1(self) -> None:
        machine = options_server()
        assert words(machine.send(response(200, "OPTIONS"), 1.0)) == ["send 200"]
        assert words(machine.receive(request("OPTIONS"), 1.5)) == ["send 200"]
        assert run(machine, 1000.0) == [(33.0, "Terminated")]

    def test_over_tcp_the_final_response_ends_it(self) -> None:
        machine = options_server(reliable=True)
        assert words(machine.send(response(200, "OPTIONS"), 1.0)) == ["send 200", "Terminated"]

    def test_second_final_response_is_dropped(self) -> None:
        machine = options_server()
        machine.send(response(200, "OPTIONS"), 1.0)
        assert machine.send(response(404, "OPTIONS"), 1.1) == []

    def test_silent_user_is_spoken_for_when_the_clients_timer_e_reached_t2(self) -> None:
        # E fires at 0.5, 1.5 and 3.5, when it is reset to T2.
        assert run(options_server(), 10.0) == [(3.5, "send 100")]

    def test_100_over_udp_may_not_come_earlier(self) -> None:
        machine = options_server()
        assert machine.send(response(100, "OPTIONS"), 3.4) == []
        assert words(machine.send(response(100, "OPTIONS"), 3.5)) == ["send 100"]

    def test_100_over_tcp_may_come_at_once(self) -> None:
        assert words(options_server(reliable=True).send(response(100, "OPTIONS"), 0.0)) == ["send 100"]

    def test_other_provisional_responses_are_never_sent(self) -> None:
        assert options_server(reliable=True).send(response(180, "OPTIONS"), 5.0) == []

    def test_retransmission_after_100_is_answered_with_100(self) -> None:
        machine = options_server()
        machine.tick(3.5)
        assert words(machine.receive(request("OPTIONS"), 4.0)) == ["send 100"]

    def test_408_is_never_sent(self) -> None:
        assert words(options_server().send(response(408, "OPTIONS"), 1.0)) == ["Terminated"]

    def test_answer_that_never_comes_ends_it_in_silence(self) -> None:
        assert run(options_server(), 1000.0) == [(3.5, "send 100"), (32.0, "Terminated")]

    def test_transport_failure_is_told_and_the_state_stays(self) -> None:
        machine = options_server()
        machine.send(response(200, "OPTIONS"), 0.0)
        assert words(machine.transport_failed(0.1)) == ["TransportFailed"]
        assert machine.state == "completed"


def test_timers_of_a_fast_network_scale() -> None:
    assert Timers(t1=0.1, t2=0.4).patience == 6.4
    assert Timers(t1=0.1, t2=0.4).quiet == pytest.approx(0.3)  # E at 0.1, and at 0.3 reset to 0.4
    assert Timers(t1=4.0, t2=4.0).quiet == 4.0


@given(st.floats(0.001, 10), st.floats(0.001, 60))
def test_quiet_is_when_timer_e_reaches_t2(t1: float, t2: float) -> None:
    machine = NonInviteClient(request("OPTIONS"), Timers(t1=t1, t2=t2), reliable=False)
    machine.start(0.0)
    while (at := machine.deadline) is not None:
        machine.tick(at)
        later = machine.deadline
        if later is None or later - at >= min(t2, 2 * t2) * 0.999999:
            break
    if at is not None and at < Timers(t1=t1, t2=t2).patience:
        assert Timers(t1=t1, t2=t2).quiet == pytest.approx(at)


class AnyTransaction(RuleBasedStateMachine):
    """Any order of messages, failures and time: no machine raises, repeats itself to its user, or lives for ever."""

    @initialize(kind=st.sampled_from(["ic", "is", "nc", "ns"]), reliable=st.booleans())
    def begin(self, kind: str, reliable: bool) -> None:
        self.now, self.finals, self.ended, self.sent_last = 0.0, 0, False, False
        self.method = "INVITE" if kind[0] == "i" else "OPTIONS"
        makers = {"ic": InviteClient, "is": InviteServer, "nc": NonInviteClient, "ns": NonInviteServer}
        self.machine: Any = makers[kind](request(self.method), RFC, reliable=reliable)
        self.client = kind[1] == "c"
        self.note(self.machine.start(self.now))

    def note(self, outputs: list[Any]) -> None:
        assert not (self.ended and outputs), "it spoke after its end"
        for output in outputs:
            match output:
                case Deliver(Response() as told) if told.status >= 300:
                    self.finals += 1
                case Deliver(Response() as told) if told.status >= 200 and self.method != "INVITE":
                    self.finals += 1
                case TimedOut() | TransportFailed() if self.client:
                    self.finals += 1
                case Terminated():
                    self.ended = True
        assert self.finals <= 1, "the user was told twice how it ended"
        assert self.ended == (self.machine.state == "terminated")
        assert self.machine.deadline is None or not self.ended
        assert (Terminated() in outputs) == (bool(outputs) and outputs[-1] == Terminated())

    @precondition(lambda self: self.client)
    @rule(status=st.sampled_from([100, 180, 183, 200, 202, 302, 401, 408, 486, 503, 603]))
    def response_comes(self, status: int) -> None:
        self.note(self.machine.receive(response(status, self.method), self.now))

    @precondition(lambda self: not self.client)
    @rule(ack=st.booleans())
    def request_comes(self, ack: bool) -> None:
        method = "ACK" if ack and self.method == "INVITE" else self.method
        before = self.machine.state
        outputs = self.machine.receive(request(method), self.now)
        if method != "ACK":
            assert not any(isinstance(output, Deliver) for output in outputs), "a retransmission reached the user"
            assert before == self.machine.state
        self.note(outputs)

    @precondition(lambda self: not self.client)
    @rule(status=st.sampled_from([100, 180, 200, 302, 404, 408, 503]))
    def user_answers(self, status: int) -> None:
        self.note(self.machine.send(response(status, self.method), self.now))

    @precondition(lambda self: self.client and self.method == "INVITE")
    @rule()
    def user_cancels(self) -> None:
        outputs = self.machine.cancel(self.now)
        assert outputs in ([], [Cancel()])
        self.note(outputs)

    @rule()
    def transport_fails(self) -> None:
        self.note(self.machine.transport_failed(self.now))

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.5, 1.0, 4.0, 5.0, 31.0, 32.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.note(self.machine.tick(self.now))

    @rule()
    def the_deadline_comes(self) -> None:
        at = self.machine.deadline
        if at is not None:
            self.now = max(self.now, at)
            self.note(self.machine.tick(self.now))

    def teardown(self) -> None:
        if not hasattr(self, "machine"):
            return
        # An INVITE in "proceeding" waits for people; once they lose patience, 64*T1 + 32 s end everything.
        if self.machine.state == "proceeding" and self.method == "INVITE":
            if self.client:
                self.note(self.machine.cancel(self.now))
            else:
                self.note(self.machine.send(response(480), self.now))
        limit, steps = self.now + 64 * RFC.t1 + 32.0, 0
        while (at := self.machine.deadline) is not None and steps < 100:
            assert at <= limit
            self.now, steps = max(self.now, at), steps + 1
            self.note(self.machine.tick(self.now))
        assert self.ended


TestAnyTransaction = AnyTransaction.TestCase
