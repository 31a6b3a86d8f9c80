"""The transaction layer: matching, Vias, ways back, size rule, CANCEL, failures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from softswitch.ids import Ids
from softswitch.sip.events import Destination, Flow, PutOnWire
from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import parse
from softswitch.sip.transaction import Timers
from softswitch.sip.transactions import (
    AckArrived,
    CancelArrived,
    Failed,
    Finished,
    RequestArrived,
    ResponseArrived,
    ServerTimedOut,
    StrayResponse,
    TransactionLayer,
)
from softswitch.sip.uri import Uri
from softswitch.sip.via import quoted_key

US = ("192.0.2.10", 5060)
PHONE = Flow("udp", US, ("192.0.2.1", 5070))
STREAM = Flow("tcp", US, ("192.0.2.1", 40000), connection=3)
TRUNK = Destination("udp", "198.51.100.1", 5060)


def layer(seed: int = 1) -> TransactionLayer:
    return TransactionLayer(Ids(seed), Timers(), lambda to: US, "softswitch", secret=b"secret")


def incoming(
    method: str = "INVITE",
    *,
    via: str = "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKone;rport",
    cseq: int = 1,
    to_tag: str | None = None,
    call_id: str = "call-1",
) -> Request:
    tag = f";tag={to_tag}" if to_tag else ""
    text = (
        f"{method} sip:bob@office.example SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:alice@office.example>;tag=a\r\nTo: <sip:bob@office.example>{tag}\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
    )
    message = parse(text.encode())
    assert isinstance(message, Request), message
    return message


def outgoing(method: str = "INVITE", size: int = 0) -> Request:
    headers = Headers(
        [
            ("Max-Forwards", "70"),
            ("From", "<sip:alice@office.example>;tag=a"),
            ("To", "<sip:bob@trunk.example>"),
            ("Call-ID", "call-2"),
            ("CSeq", f"1 {method}"),
        ]
    )
    return Request(method, Uri(user="bob", host="trunk.example"), headers, b"x" * size)


def wire(outputs: list[Any]) -> list[str]:
    """Return start lines of what is put on the wire, other outputs by their type."""
    return [
        output.data.split(b"\r\n")[0].decode().removeprefix("SIP/2.0 ").removesuffix(" SIP/2.0")
        if isinstance(output, PutOnWire)
        else type(output).__name__
        for output in outputs
    ]


def sent(outputs: list[Any]) -> Request | Response:
    """Return the one message put on the wire, as its receiver parses it."""
    (put,) = [output for output in outputs if isinstance(output, PutOnWire)]
    message = parse(put.data)
    assert isinstance(message, Request | Response), message
    return message


def answer(outputs: list[Any], status: int, to_tag: str = "b") -> Response:
    """Return what a peer answers to the request in ``outputs``."""
    request = sent(outputs)
    assert isinstance(request, Request)
    return request.reply(status, to_tag=to_tag)


def ring(stack: TransactionLayer, request: Request | None = None, flow: Flow = PHONE) -> Any:
    """Let a request come, accept it and return its key."""
    (arrived,) = stack.receive(request or incoming(), flow, 0.0)
    assert isinstance(arrived, RequestArrived)
    key, outputs = stack.accept(arrived.request, arrived.flow, 0.0)
    assert outputs == []
    return key


class TestServerMatching:
    """RFC 3261 section 17.2.3."""

    def test_new_request_is_handed_up_and_nothing_is_allocated(self) -> None:
        stack = layer()
        assert stack.receive(incoming(), PHONE, 0.0) == [RequestArrived(incoming_stamped(), PHONE)]
        assert len(stack) == 0
        assert stack.deadline is None

    def test_retransmission_of_an_accepted_request_is_absorbed(self) -> None:
        stack = layer()
        key = ring(stack)
        stack.respond(key, incoming().reply(180, to_tag="b"), 0.1)
        assert wire(stack.receive(incoming(), PHONE, 0.5)) == ["180 Ringing"]

    def test_retransmission_is_answered_with_the_very_same_bytes(self) -> None:
        stack = layer()
        key = ring(stack)
        first = stack.respond(key, incoming().reply(180, to_tag="b"), 0.1)
        assert stack.receive(incoming(), PHONE, 0.5)[0].data is first[0].data

    def test_an_answered_request_is_answered_again_for_32_seconds_and_then_forgotten(self) -> None:
        stack = layer()
        request = incoming("OPTIONS")
        stack.receive(request, PHONE, 0.0)
        key, _ = stack.accept(request, PHONE, 0.0)
        first = stack.respond(key, request.reply(200, to_tag="b"), 0.0)
        assert stack.receive(incoming("OPTIONS"), PHONE, 31.9)[0].data is first[0].data
        assert wire(stack.transport_failed(key, 31.9)) == ["Failed"]
        assert wire(stack.tick(32.0)) == ["Finished"]
        assert (len(stack), stack.describe(), stack.deadline) == (0, [], None)
        assert wire(stack.receive(incoming("OPTIONS"), PHONE, 32.1)) == ["RequestArrived"]

    @pytest.mark.parametrize(
        "via",
        [
            "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKtwo;rport",
            "SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bKone;rport",
            "SIP/2.0/UDP 192.0.2.1:5071;branch=z9hG4bKone;rport",
        ],
        ids=["branch", "host", "port"],
    )
    def test_other_branch_or_sent_by_is_another_request(self, via: str) -> None:
        stack = layer()
        ring(stack)
        assert wire(stack.receive(incoming(via=via), PHONE, 0.1)) == ["RequestArrived"]

    def test_same_branch_with_another_method_is_another_request(self) -> None:
        stack = layer()
        ring(stack)
        assert wire(stack.receive(incoming("OPTIONS"), PHONE, 0.1)) == ["RequestArrived"]

    def test_ack_of_a_failure_is_absorbed(self) -> None:
        stack = layer()
        key = ring(stack)
        stack.respond(key, incoming().reply(486, to_tag="b"), 0.1)
        assert stack.receive(incoming("ACK", to_tag="b"), PHONE, 0.2) == []
        assert stack.tick(5.2) == [Finished(key)]

    def test_ack_of_a_success_is_handed_up(self) -> None:
        stack = layer()
        key = ring(stack)
        stack.respond(key, incoming().reply(200, to_tag="b"), 0.1)
        ack = incoming("ACK", via="SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKack;rport", to_tag="b")
        assert wire(stack.receive(ack, PHONE, 0.2)) == ["AckArrived"]

    def test_ack_that_reuses_the_branch_of_an_accepted_invite_is_handed_up(self) -> None:
        stack = layer()
        key = ring(stack)
        stack.respond(key, incoming().reply(200, to_tag="b"), 0.1)
        assert wire(stack.receive(incoming("ACK", to_tag="b"), PHONE, 0.2)) == ["AckArrived"]

    def test_user_is_told_that_its_failure_was_never_acknowledged(self) -> None:
        stack = layer()
        key = ring(stack)
        stack.respond(key, incoming().reply(486, to_tag="b"), 0.0)
        assert stack.tick(32.0) == [ServerTimedOut(key), Finished(key)]

    def test_response_to_a_transaction_that_is_gone_is_dropped(self) -> None:
        stack = layer()
        key = ring(stack)
        stack.respond(key, incoming().reply(200, to_tag="b"), 0.0)
        stack.tick(32.0)
        assert stack.respond(key, incoming().reply(200, to_tag="b"), 33.0) == []

    def test_slow_user_is_spoken_for_with_100(self) -> None:
        stack = layer()
        ring(stack)
        assert stack.deadline == 0.2
        assert wire(stack.tick(0.2)) == ["100 Trying"]

    def test_accepting_twice_gives_the_same_transaction(self) -> None:
        stack = layer()
        key = ring(stack)
        assert stack.accept(incoming_stamped(), PHONE, 1.0) == (key, [])
        assert len(stack) == 1


class TestOldPeers:
    """RFC 2543 peers put no branch, or one without the cookie, into their Via."""

    OLD = "SIP/2.0/UDP 192.0.2.1:5070"

    @pytest.mark.parametrize("via", [OLD, f"{OLD};branch=1"])
    def test_invite_cancel_and_ack_of_an_old_peer_find_their_transaction(self, via: str) -> None:
        stack = layer()
        key = ring(stack, incoming(via=via))
        assert stack.receive(incoming(via=via), PHONE, 0.1) == []
        assert wire(stack.receive(incoming("CANCEL", via=via), PHONE, 0.1)) == ["200 OK", "CancelArrived"]
        stack.respond(key, incoming().reply(487, to_tag="b"), 0.1)
        assert stack.receive(incoming("ACK", via=via, to_tag="b"), PHONE, 0.2) == []

    @pytest.mark.parametrize(("cseq", "call_id"), [(2, "call-1"), (1, "call-2")])
    def test_another_cseq_or_call_is_another_request(self, cseq: int, call_id: str) -> None:
        stack = layer()
        ring(stack, incoming(via=self.OLD))
        other = incoming(via=self.OLD, cseq=cseq, call_id=call_id)
        assert wire(stack.receive(other, PHONE, 0.1)) == ["RequestArrived"]


class TestMergedRequests:
    """RFC 3261 section 8.2.2.2."""

    OTHER_PATH = "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKtwo;rport"

    def test_request_that_came_by_two_paths_is_merged(self) -> None:
        stack = layer()
        ring(stack)
        assert stack.is_merged(incoming(via=self.OTHER_PATH))

    def test_request_in_a_dialog_is_never_merged(self) -> None:
        stack = layer()
        ring(stack)
        assert not stack.is_merged(incoming(via=self.OTHER_PATH, to_tag="b"))

    def test_next_try_with_a_higher_cseq_is_not_merged(self) -> None:
        stack = layer()
        ring(stack)
        assert not stack.is_merged(incoming(via=self.OTHER_PATH, cseq=2))

    def test_it_is_forgotten_with_the_transaction(self) -> None:
        stack = layer()
        key = ring(stack)
        stack.respond(key, incoming().reply(200, to_tag="b"), 0.0)
        stack.tick(32.0)
        assert not stack.is_merged(incoming(via=self.OTHER_PATH))

    def test_one_that_is_no_invite_is_forgotten_with_timer_j(self) -> None:
        stack = layer()
        key = ring(stack, incoming("OPTIONS"))
        stack.respond(key, incoming("OPTIONS").reply(200, to_tag="b"), 0.0)
        assert stack.is_merged(incoming("OPTIONS", via=self.OTHER_PATH))
        stack.tick(32.0)
        assert not stack.is_merged(incoming("OPTIONS", via=self.OTHER_PATH))


class TestVia:
    """RFC 3261 sections 18.2.1 and 18.2.2, RFC 3581."""

    @staticmethod
    def noted(via: str, flow: Flow = PHONE) -> str:
        (arrived,) = layer().receive(incoming("OPTIONS", via=via), flow, 0.0)
        return arrived.request.headers.get("Via")

    def test_rport_is_filled_with_address_and_port(self) -> None:
        assert self.noted("SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKx") == (
            "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx;received=192.0.2.1;rport=5070"
        )

    def test_received_is_added_when_sent_by_differs(self) -> None:
        assert self.noted("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx") == (
            "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx;received=192.0.2.1"
        )

    def test_nothing_is_added_when_sent_by_is_the_source(self) -> None:
        assert self.noted("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKx") == "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKx"

    def test_claims_of_the_sender_are_overwritten(self) -> None:
        assert self.noted("SIP/2.0/UDP 192.0.2.1;received=203.0.113.9;branch=z9hG4bKx;rport=53") == (
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;received=192.0.2.1;rport=5070"
        )

    def test_ipv6_source_is_noted(self) -> None:
        flow = Flow("udp", ("2001:db8::10", 5060), ("2001:db8::1", 5070))
        noted = self.noted("SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bKx;rport", flow)
        assert noted == "SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bKx;received=2001:db8::1;rport=5070"

    def test_vias_below_are_left_alone(self) -> None:
        two = "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx, SIP/2.0/UDP  10.0.0.2;branch=z9hG4bKy;received=1.2.3.4"
        (arrived,) = layer().receive(incoming("OPTIONS", via=two), PHONE, 0.0)
        assert arrived.request.headers.all("Via") == [
            "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx;received=192.0.2.1",
            "SIP/2.0/UDP  10.0.0.2;branch=z9hG4bKy;received=1.2.3.4",
        ]

    @pytest.mark.parametrize(
        ("via", "port"),
        [
            ("SIP/2.0/UDP 10.0.0.1:6000;branch=z9hG4bKx;rport", 5070),
            ("SIP/2.0/UDP 10.0.0.1:6000;branch=z9hG4bKx", 6000),
            ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx", 5060),
            ("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx;maddr=224.0.1.75;ttl=255", 5060),
            ("SIP/2.0/UDP 10.0.0.1:6000;branch=z9hG4bKx;maddr=255.255.255.255", 6000),
            ("SIP/2.0/UDP 10.0.0.1:6000;branch=z9hG4bKx;received=203.0.113.1", 6000),
        ],
    )
    def test_responses_go_to_the_address_that_asked_whatever_the_via_says(self, via: str, port: int) -> None:
        stack = layer()
        (arrived,) = stack.receive(incoming("OPTIONS", via=via), PHONE, 0.0)
        reply = arrived.request.reply(200, to_tag="b")
        (put,) = stack.reply_stateless(arrived.request, reply, PHONE)
        assert put == PutOnWire(Flow("udp", US, ("192.0.2.1", port)), reply.encode())

    def test_responses_over_tcp_go_back_on_the_connection(self) -> None:
        stack = layer()
        via = "SIP/2.0/TCP 10.0.0.1:6000;branch=z9hG4bKx"
        key = ring(stack, incoming("OPTIONS", via=via), STREAM)
        (put, _) = stack.respond(key, incoming("OPTIONS", via=via).reply(200, to_tag="b"), 0.0)
        assert put.to is STREAM

    def test_ours_is_the_only_via_of_a_request_and_asks_for_rport(self) -> None:
        request = outgoing()
        request.headers.set("Via", "SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKold")
        _, outputs = layer().request(request, TRUNK, 0.0)
        via = sent(outputs).headers.all("Via")
        assert len(via) == 1
        assert via[0].startswith("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK")
        assert via[0].endswith(";rport")

    def test_request_of_the_caller_is_left_as_it_was(self) -> None:
        request = outgoing()
        before = list(request.headers.items())
        layer().request(request, TRUNK, 0.0)
        assert list(request.headers.items()) == before

    def test_each_request_has_its_own_branch(self) -> None:
        stack = layer()
        branches = {sent(stack.request(outgoing(), TRUNK, 0.0)[1]).via.branch for _ in range(100)}
        assert len(branches) == 100


class TestClientMatching:
    """RFC 3261 section 17.1.3."""

    def test_response_is_delivered_with_its_key(self) -> None:
        stack = layer()
        key, outputs = stack.request(outgoing("OPTIONS"), TRUNK, 0.0)
        reply = answer(outputs, 200)
        assert stack.receive(reply, PHONE, 0.1) == [ResponseArrived(key, reply, PHONE)]

    def test_repeated_response_is_absorbed_and_the_key_finishes_after_t4(self) -> None:
        stack = layer()
        key, outputs = stack.request(outgoing("OPTIONS"), TRUNK, 0.0)
        reply = answer(outputs, 200)
        stack.receive(reply, PHONE, 0.1)
        assert stack.receive(reply, PHONE, 0.2) == []
        assert stack.tick(5.1) == [Finished(key)]
        assert (len(stack), stack.deadline) == (0, None)

    def test_failure_is_acknowledged_in_the_transaction(self) -> None:
        stack = layer()
        _, outputs = stack.request(outgoing(), TRUNK, 0.0)
        answered = stack.receive(answer(outputs, 486), PHONE, 0.1)
        assert wire(answered) == ["ACK sip:bob@trunk.example", "ResponseArrived"]
        ack = sent(answered)
        assert ack.via == sent(outputs).via
        assert ack.to.tag == "b"

    def test_response_with_another_method_or_branch_is_dropped_and_counted(self) -> None:
        stack = layer()
        _, outputs = stack.request(outgoing("OPTIONS"), TRUNK, 0.0)
        other = answer(outputs, 200)
        other.headers.set("CSeq", "1 INFO")
        assert stack.receive(other, PHONE, 0.1) == []
        assert stack.counters["stray response"] == 1

    def test_response_with_a_second_via_is_dropped(self) -> None:
        stack = layer()
        _, outputs = stack.request(outgoing("OPTIONS"), TRUNK, 0.0)
        reply = answer(outputs, 200)
        reply.headers.add("Via", "SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKfar")
        assert stack.receive(reply, PHONE, 0.1) == []

    def test_success_of_a_forgotten_invite_is_handed_up_as_stray(self) -> None:
        stack = layer()
        key, outputs = stack.request(outgoing(), TRUNK, 0.0)
        success = answer(outputs, 200)
        stack.receive(success, PHONE, 0.1)
        assert stack.tick(32.1) == [Finished(key)]
        assert stack.receive(success, PHONE, 33.0) == [StrayResponse(success, PHONE)]

    def test_silence_is_told_as_a_timeout(self) -> None:
        stack = layer()
        key, _ = stack.request(outgoing("OPTIONS"), TRUNK, 0.0)
        assert stack.tick(32.0) == [Failed(key, "timeout"), Finished(key)]

    def test_transport_failure_is_told(self) -> None:
        stack = layer()
        key, _ = stack.request(outgoing("OPTIONS"), TRUNK, 0.0)
        assert stack.transport_failed(key, 0.1) == [Failed(key, "transport"), Finished(key)]

    def test_lost_ack_of_a_failure_is_not_told(self) -> None:
        stack = layer()
        key, outputs = stack.request(outgoing(), TRUNK, 0.0)
        stack.receive(answer(outputs, 486), PHONE, 0.1)
        assert stack.transport_failed(key, 0.2) == [Finished(key)]

    def test_failure_of_an_unknown_key_is_nothing(self) -> None:
        stack = layer()
        assert stack.transport_failed("c z9hG4bKgone INVITE", 0.0) == []  # type: ignore[arg-type]

    def test_call_to_ourselves_keeps_both_ends_apart(self) -> None:
        stack = layer()
        key, outputs = stack.request(outgoing(), TRUNK, 0.0)
        looped = sent(outputs)
        (arrived,) = stack.receive(looped, PHONE, 0.0)
        theirs, _ = stack.accept(arrived.request, PHONE, 0.0)
        assert theirs != key
        assert len(stack) == 2


class TestLargeRequests:
    """RFC 3261 section 18.1.1."""

    def test_request_over_1300_bytes_goes_over_tcp_with_a_tcp_via(self) -> None:
        _, outputs = layer().request(outgoing(size=1300), TRUNK, 0.0)
        assert outputs[0].to == Destination("tcp", "198.51.100.1", 5060)
        assert sent(outputs).via.transport == "TCP"

    @pytest.mark.parametrize(("extra", "transport"), [(0, "udp"), (1, "tcp")])
    def test_1300_bytes_are_the_last_that_fit(self, extra: int, transport: str) -> None:
        _, outputs = layer().request(outgoing("OPTIONS"), TRUNK, 0.0)
        empty = len(outputs[0].data)
        body = 1300 - empty - 3 + extra  # "Content-Length: 0" becomes four digits
        _, outputs = layer().request(outgoing("OPTIONS", body), TRUNK, 0.0)
        assert (outputs[0].to.transport, len(outputs[0].data)) == (transport, 1300 + extra)

    def test_large_request_into_a_flow_dials_its_far_end(self) -> None:
        _, outputs = layer().request(outgoing(size=1300), PHONE, 0.0)
        assert outputs[0].to == Destination("tcp", "192.0.2.1", 5070)

    def test_without_tcp_at_the_peer_it_goes_by_udp_after_all(self) -> None:
        stack = layer()
        key, outputs = stack.request(outgoing(size=1300), TRUNK, 0.0)
        again = stack.transport_failed(key, 1.0)
        assert again[0].to == TRUNK
        assert sent(again).via.transport == "UDP"
        assert sent(again).via.branch == sent(outputs).via.branch
        assert wire(stack.tick(1.5)) == ["INVITE sip:bob@trunk.example"]  # retransmitted, as UDP demands

    def test_peer_without_tcp_is_remembered_for_ten_minutes(self) -> None:
        stack = layer()
        key, _ = stack.request(outgoing("OPTIONS", size=1300), TRUNK, 0.0)
        stack.transport_failed(key, 0.0)
        assert stack.request(outgoing(size=1300), TRUNK, 599.0)[1][0].to == TRUNK
        assert stack.request(outgoing(size=1300), TRUNK, 601.0)[1][0].to.transport == "tcp"

    def test_failure_by_udp_too_is_told(self) -> None:
        stack = layer()
        key, _ = stack.request(outgoing(size=1300), TRUNK, 0.0)
        stack.transport_failed(key, 0.1)
        assert stack.transport_failed(key, 0.2) == [Failed(key, "transport"), Finished(key)]

    def test_cancel_asked_for_before_the_fall_back_is_not_forgotten(self) -> None:
        stack = layer()
        key, _ = stack.request(outgoing(size=1300), TRUNK, 0.0)
        stack.cancel(key, 0.1)
        again = stack.transport_failed(key, 0.2)
        rung = stack.receive(answer(again, 180), PHONE, 0.3)
        assert wire(rung) == ["ResponseArrived", "CANCEL sip:bob@trunk.example"]

    def test_ack_of_a_success_stays_on_udp_whatever_its_size(self) -> None:
        (put,) = layer().send_stateless(outgoing("ACK", size=3000), TRUNK)
        assert put.to == TRUNK
        assert put.key == ""


class TestCancelOfOurs:
    """RFC 3261 section 9.1."""

    def test_cancel_has_the_branch_of_the_invite_and_extra_headers(self) -> None:
        stack = layer()
        key, outputs = stack.request(outgoing(), TRUNK, 0.0)
        stack.receive(answer(outputs, 180), PHONE, 0.1)
        reason = ("Reason", 'SIP;cause=200;text="Call completed elsewhere"')
        cancel = sent(stack.cancel(key, 1.0, (reason,)))
        assert (cancel.via, str(cancel.cseq)) == (sent(outputs).via, "1 CANCEL")
        assert cancel.reasons == (reason[1],)

    def test_answer_to_the_cancel_is_not_told(self) -> None:
        stack = layer()
        key, outputs = stack.request(outgoing(), TRUNK, 0.0)
        stack.receive(answer(outputs, 180), PHONE, 0.1)
        cancelled = stack.cancel(key, 1.0)
        assert stack.receive(answer(cancelled, 200), PHONE, 1.1) == []

    def test_unanswered_cancel_is_told_only_as_the_end_of_the_invite(self) -> None:
        stack = layer()
        key, outputs = stack.request(outgoing(), TRUNK, 0.0)
        stack.receive(answer(outputs, 180), PHONE, 0.1)
        stack.cancel(key, 1.0)
        told = []
        while stack.deadline is not None:
            told += [output for output in stack.tick(stack.deadline) if not isinstance(output, PutOnWire)]
        assert told == [Failed(key, "timeout"), Finished(key)]

    def test_only_invites_can_be_cancelled(self) -> None:
        stack = layer()
        key, _ = stack.request(outgoing("OPTIONS"), TRUNK, 0.0)
        assert stack.cancel(key, 0.1) == []


class TestCancelOfTheirs:
    """RFC 3261 section 9.2."""

    def test_cancel_is_answered_and_told_with_the_key_of_its_invite(self) -> None:
        stack = layer()
        key = ring(stack)
        cancel = incoming("CANCEL")
        assert stack.receive(cancel, PHONE, 0.1)[1] == CancelArrived(key, cancel)

    def test_its_200_has_the_to_tag_that_the_invite_was_answered_with(self) -> None:
        stack = layer()
        key = ring(stack)
        stack.respond(key, incoming().reply(180, to_tag="ours"), 0.1)
        assert sent(stack.receive(incoming("CANCEL"), PHONE, 0.2)).to.tag == "ours"

    def test_its_200_has_the_to_tag_that_the_invite_will_be_answered_with(self) -> None:
        stack = layer()
        (arrived,) = stack.receive(incoming(), PHONE, 0.0)
        stack.accept(arrived.request, PHONE, 0.0, "ours")
        assert sent(stack.receive(incoming("CANCEL"), PHONE, 0.2)).to.tag == "ours"

    def test_repeated_cancel_is_answered_again_and_not_told(self) -> None:
        stack = layer()
        ring(stack)
        stack.receive(incoming("CANCEL"), PHONE, 0.1)
        assert wire(stack.receive(incoming("CANCEL"), PHONE, 0.6)) == ["200 OK"]

    @pytest.mark.parametrize("status", [200, 486])
    def test_cancel_that_comes_too_late_is_answered_200_and_not_told(self, status: int) -> None:
        stack = layer()
        key = ring(stack)
        stack.respond(key, incoming().reply(status, to_tag="b"), 0.1)
        assert wire(stack.receive(incoming("CANCEL"), PHONE, 0.2)) == ["200 OK"]

    def test_cancel_without_invite_is_answered_481_and_nothing_is_allocated(self) -> None:
        stack = layer()
        assert wire(stack.receive(incoming("CANCEL"), PHONE, 0.1)) == ["481 Call/Transaction Does Not Exist"]
        assert len(stack) == 0

    def test_cancel_from_another_host_is_refused(self) -> None:
        stack = layer()
        ring(stack)
        stranger = Flow("udp", US, ("203.0.113.66", 5070))
        outputs = stack.receive(incoming("CANCEL"), stranger, 0.1)
        assert wire(outputs) == ["481 Call/Transaction Does Not Exist"]

    def test_nothing_of_the_cancel_itself_is_told_at_its_end(self) -> None:
        stack = layer()
        key = ring(stack)
        stack.receive(incoming("CANCEL"), PHONE, 0.0)
        stack.respond(key, incoming().reply(487, to_tag="b"), 0.0)
        stack.receive(incoming("ACK", to_tag="b"), PHONE, 0.1)
        assert stack.tick(100.0) == [Finished(key)]
        assert len(stack) == 0


class TestStateless:
    """RFC 3261 section 8.2.7."""

    def test_stateless_tag_is_the_same_for_a_retransmission(self) -> None:
        assert layer(1).stateless_tag(incoming()) == layer(2).stateless_tag(incoming())

    def test_stateless_tag_differs_between_requests(self) -> None:
        stack = layer()
        tags = {stack.stateless_tag(incoming(call_id=f"call-{n}", cseq=n)) for n in range(1, 50)}
        assert len(tags) == 49

    def test_storm_of_refused_requests_leaves_nothing(self) -> None:
        stack = layer()
        for n in range(1000):
            via = f"SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK{n};rport"
            (arrived,) = stack.receive(incoming("REGISTER", via=via), PHONE, 0.0)
            reply = arrived.request.reply(401, to_tag=stack.stateless_tag(arrived.request))
            assert wire(stack.reply_stateless(arrived.request, reply, PHONE)) == ["401 Unauthorized"]
        assert (len(stack), stack.deadline) == (0, None)


class TestBrokenStreams:
    """RFC 3261 section 18.2.2."""

    VIA = "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKone"

    def test_response_is_sent_over_a_new_connection_when_its_own_is_gone(self) -> None:
        stack = layer()
        key = ring(stack, incoming(via=self.VIA), STREAM)
        (put,) = stack.respond(key, incoming(via=self.VIA).reply(486, to_tag="b"), 0.0)
        assert stack.transport_failed(key, 0.1) == [PutOnWire(Destination("tcp", "192.0.2.1", 5070), put.data, key)]

    def test_second_failure_is_told(self) -> None:
        stack = layer()
        key = ring(stack, incoming(via=self.VIA), STREAM)
        stack.respond(key, incoming(via=self.VIA).reply(486, to_tag="b"), 0.0)
        stack.transport_failed(key, 0.1)
        assert stack.transport_failed(key, 0.2) == [Failed(key, "transport")]


def test_layer_prints_itself() -> None:
    stack = layer()
    ring(stack)
    key, _ = stack.request(outgoing("OPTIONS"), TRUNK, 1.0)
    assert stack.describe() == [
        f"{key} trying to udp 198.51.100.1:5060 [E 1.50, F 33.00]",
        "s z9hG4bKone 192.0.2.1:5070 INVITE proceeding to udp 192.0.2.1:5070 [100 0.20]",
    ]


def incoming_stamped() -> Request:
    return incoming(via="SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKone;received=192.0.2.1;rport=5070")


@given(st.binary(max_size=40), st.sampled_from(["received", "rport", "maddr", "ttl", "branch", "x"]))
def test_no_via_leads_responses_away_from_the_source(junk: bytes, name: str) -> None:
    text = junk.decode("latin-1")
    message = parse(incoming("OPTIONS").encode().replace(b";rport", f";{name}={text}".encode()))
    if not isinstance(message, Request):
        return
    stack = layer()
    outputs = stack.receive(message, PHONE, 0.0)
    if outputs and isinstance(outputs[0], RequestArrived):
        (put,) = stack.reply_stateless(message, message.reply(200, to_tag="b"), PHONE)
        assert put.to.remote[0] == "192.0.2.1"


class TwoStacks(RuleBasedStateMachine):
    """A caller and a callee joined by a network that loses, repeats and reorders."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.stacks = {"caller": layer(1), "callee": layer(2)}
        self.flows = {
            "caller": Flow("udp", ("192.0.2.1", 5060), ("192.0.2.2", 5060)),
            "callee": Flow("udp", ("192.0.2.2", 5060), ("192.0.2.1", 5060)),
        }
        self.net: list[tuple[str, bytes]] = []
        self.open: dict[str, list[Any]] = {"caller": [], "callee": []}
        self.finals: dict[str, int] = {}
        self.invites: list[Any] = []
        self.keys: dict[str, list[Any]] = {"caller": [], "callee": []}

    def take(self, who: str, outputs: list[Any]) -> None:
        other = "callee" if who == "caller" else "caller"
        for output in outputs:
            match output:
                case PutOnWire(_, data, key):
                    self.net.append((other, data))
                    self.keys[who].append(key)
                case RequestArrived(request, flow):
                    assert not any(request.via == known.via for _, known in self.open[who]), "a request came twice"
                    key, more = self.stacks[who].accept(request, flow, self.now)
                    self.open[who].append((key, request))
                    self.take(who, more)
                case ResponseArrived(key, response, _) if response.status >= 300 or (
                    response.status >= 200 and not key.endswith("INVITE")
                ):
                    self.finals[key] = self.finals.get(key, 0) + 1
                    assert self.finals[key] == 1, "two final responses to one request"
                case Failed(key, _) if key.startswith("c "):
                    self.finals[key] = self.finals.get(key, 0) + 1
                    assert self.finals[key] == 1
                case CancelArrived(key, _):
                    request = next(known for k, known in self.open[who] if k == key)
                    self.take(who, self.stacks[who].respond(key, request.reply(487, to_tag="z"), self.now))
                case Finished(key):
                    self.open[who] = [pair for pair in self.open[who] if pair[0] != key]

    @rule(method=st.sampled_from(["INVITE", "OPTIONS", "BYE"]), size=st.sampled_from([0, 1400]))
    def caller_asks(self, method: str, size: int) -> None:
        key, outputs = self.stacks["caller"].request(outgoing(method, size), self.flows["caller"], self.now)
        if method == "INVITE":
            self.invites.append(key)
        self.take("caller", outputs)

    @rule(status=st.sampled_from([100, 180, 200, 404, 486, 503]), which=st.integers(0, 5))
    def callee_answers(self, status: int, which: int) -> None:
        if self.open["callee"]:
            key, request = self.open["callee"][which % len(self.open["callee"])]
            self.take("callee", self.stacks["callee"].respond(key, request.reply(status, to_tag="z"), self.now))

    @rule(which=st.integers(0, 5))
    def caller_cancels(self, which: int) -> None:
        if self.invites:
            key = self.invites[which % len(self.invites)]
            self.take("caller", self.stacks["caller"].cancel(key, self.now))

    @rule(which=st.integers(0, 20), again=st.booleans())
    def a_message_arrives(self, which: int, again: bool) -> None:
        if self.net:
            who, data = self.net[which % len(self.net)]
            if not again:
                self.net.remove((who, data))
            message = parse(data)
            assert isinstance(message, Request | Response)
            self.take(who, self.stacks[who].receive(message, self.flows[who], self.now))

    @rule(which=st.integers(0, 20))
    def a_message_is_lost(self, which: int) -> None:
        if self.net:
            del self.net[which % len(self.net)]

    @rule(who=st.sampled_from(["caller", "callee"]), key=st.integers(0, 5))
    def the_transport_fails(self, who: str, key: int) -> None:
        if self.keys[who]:
            self.take(who, self.stacks[who].transport_failed(self.keys[who][key % len(self.keys[who])], self.now))

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 5.0, 33.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for who, stack in self.stacks.items():
            self.take(who, stack.tick(self.now))

    def teardown(self) -> None:
        """With the network dead and the people gone, no transaction may outlive 64*T1 + 32 s."""
        for key in self.invites:
            self.take("caller", self.stacks["caller"].cancel(key, self.now))
        for key, request in list(self.open["callee"]):
            self.take("callee", self.stacks["callee"].respond(key, request.reply(480, to_tag="z"), self.now))
        for who, stack in self.stacks.items():
            limit = self.now + 64.0
            while (at := stack.deadline) is not None:
                assert at <= limit
                self.take(who, stack.tick(at))
            assert len(stack) == 0


TestTwoStacks = TwoStacks.TestCase


def test_ack_without_transaction_is_handed_up() -> None:
    ack = incoming("ACK", to_tag="b")
    assert layer().receive(ack, PHONE, 0.0) == [AckArrived(ack, PHONE)]


class TestIcmp:
    """RFC 3261 section 18.4."""

    @pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
    def test_request_is_known_again_by_its_first_bytes(self, method: str) -> None:
        key, outputs = layer().request(outgoing(method), TRUNK, 0.0)
        assert quoted_key(outputs[0].data[:200]) == key

    @pytest.mark.parametrize("quote", [b"", b"INVITE sip:b", b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa;"])
    def test_what_is_no_request_of_ours_is_nobodys(self, quote: bytes) -> None:
        assert quoted_key(quote) is None

    @given(st.binary(max_size=200))
    def test_no_quote_raises(self, quote: bytes) -> None:
        assert quoted_key(b"INVITE x\r\nVia: SIP/2.0/UDP " + quote) is None or b"branch=" in quote
