"""The border of the stack: what is answered to whom before anything is kept, and who may act in a dialog."""

from __future__ import annotations

import pytest

from softswitch.sip.events import Accept, Cause, Ended, Flow, Hangup, Incoming, MakeOffer, PutOnWire
from softswitch.sip.grammar import ParseError
from tests.sip.network import ALICE, ANSWER, BOB, OFFER, REALM, Network, Rights, Script, Switch, sdp, uri
from tests.sip.test_registrar import answered, register

PHONE_SDP = str(sdp("192.0.2.2", 5000))


def office(**trunks: str) -> tuple[Network, Switch, Script]:
    net = Network()
    rights = Rights(passwords={"101": "secret", "102": "secret"}, trunks=trunks)
    return net, Switch(net, ALICE, rights), Script(net, BOB)


def options(phone: Script, switch: Switch, **more: str) -> int:
    phone.say(phone.request("OPTIONS", switch, uri=f"sip:{REALM}", branch=f"probe{len(phone.heard)}", **more), switch)
    phone.network.run(0.05)
    return phone.responses()[-1].status


# What is refused whoever asks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [
        ("OPTIONS", {}, 200),
        ("OPTIONS", {"Require": "nothing"}, 420),
        ("INVITE", {}, 401),
        ("REGISTER", {}, 401),
        ("BYE", {}, 481),
        ("UPDATE", {}, 481),
        ("PRACK", {}, 481),
        ("BYE", {"To": f"<sip:x@{REALM}>;tag=gone"}, 481),
        ("INVITE", {"To": f"<sip:x@{REALM}>;tag=gone"}, 481),
        ("INFO", {}, 481),
        ("MESSAGE", {}, 405),
        ("SUBSCRIBE", {}, 405),
        ("REFER", {}, 405),
        ("PUBLISH", {}, 405),
        ("NOTIFY", {}, 405),
        ("FROBNICATE", {}, 501),
        ("INVITE", {"uri": "mailto:bob"}, 416),
        ("INVITE", {"uri": "tel:+74951234567"}, 401),
        ("INVITE", {"Content_Type": "text/plain", "body": "hello"}, 415),
        (
            "INVITE",
            {"Content_Type": "text/plain", "body": "hello", "Content_Disposition": "render;handling=optional"},
            401,
        ),
        ("INVITE", {"Content_Encoding": "gzip", "body": "hello"}, 415),
        ("INVITE", {"Accept": "text/html"}, 406),
        ("INVITE", {"Accept": "application/*"}, 401),
        ("BYE", {"Content_Type": "text/plain", "body": "hello"}, 481),
    ],
)
def test_the_checks_of_rfc_3261_section_8_2(method: str, more: dict[str, str], status: int) -> None:
    net, switch, phone = office()
    request = phone.request(method, switch, **{key: value for key, value in more.items() if key != "Content_Type"})
    if "Content_Type" in more:
        request.headers.set("Content-Type", more["Content_Type"])
    phone.say(request, switch)
    net.run(0.1)
    assert phone.statuses() == [status]
    assert len(switch.endpoint) == 0
    assert switch.deadline is None
    assert not switch.events


@pytest.mark.parametrize(("method", "header"), [("FROBNICATE", "Allow"), ("REFER", "Allow")])
def test_a_refused_method_is_told_what_is_allowed(method: str, header: str) -> None:
    net, switch, phone = office()
    phone.say(phone.request(method, switch), switch)
    net.run(0.1)
    assert (
        phone.responses()[0].headers.get(header) == "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, UPDATE, PRACK, INFO"
    )


def test_420_names_what_is_not_supported_and_nothing_else() -> None:
    net, switch, phone = office()
    phone.say(phone.request("INVITE", switch, Require="timer, foo, 100rel, bar"), switch)
    net.run(0.1)
    assert phone.responses(420)[0].unsupported == ("foo", "bar")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("OPTIONS", f"sip:{REALM}", 200),
        ("OPTIONS", f"sip:bob@{REALM}", 483),
        ("OPTIONS", "sip:elsewhere.example", 483),
        ("INVITE", f"sip:bob@{REALM}", 483),
        ("REGISTER", f"sip:{REALM}", 401),
    ],
)
def test_the_last_hop_may_ask_only_us(method: str, target: str, status: int) -> None:
    net, switch, phone = office()
    request = phone.request(method, switch, uri=target)
    request.headers.set("Max-Forwards", "0")
    phone.say(request, switch)
    net.run(0.1)
    assert phone.statuses() == [status]


def test_the_answer_of_options_is_the_same_for_everybody() -> None:
    net, switch, phone = office()
    for user in ("101", "999"):
        phone.say(phone.request("OPTIONS", switch, uri=f"sip:{user}@{REALM}", branch=user), switch)
    net.run(0.1)
    one, other = phone.responses()
    assert [(n, v) for n, v in one.headers.items() if n not in ("Via", "To")] == [
        (n, v) for n, v in other.headers.items() if n not in ("Via", "To")
    ]


def test_a_retransmission_gets_the_same_tag_though_nothing_is_kept() -> None:
    net, switch, phone = office()
    request = phone.request("INVITE", switch)
    for _ in range(2):
        phone.say(request, switch)
    net.run(0.1)
    assert len({response.to.tag for response in phone.responses()}) == 1
    assert len(phone.responses()) == 2


def test_a_faulty_message_gets_its_answer_and_is_counted() -> None:
    net, switch, phone = office()
    phone.say(phone.request("OPTIONS", switch).encode().replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"), switch)
    phone.say(b"rubbish", switch)
    net.run(0.1)
    assert phone.statuses() == [400]
    assert switch.endpoint.counters["parse error 400"] == 2


def test_a_faulty_message_of_a_stream_gets_its_answer_there() -> None:
    _, switch, phone = office()
    flow = Flow("tcp", ALICE, BOB, 5)
    reply = phone.request("OPTIONS", switch).reply(400, to_tag="x")
    outputs = switch.endpoint.receive_message(ParseError(400, 0, "why", reply), flow, 0.0)
    assert [(out.to, out.data.split(b"\r\n")[0]) for out in outputs if isinstance(out, PutOnWire)] == [
        (flow, b"SIP/2.0 400 Bad Request")
    ]


# Who is calling -------------------------------------------------------------------------------------------------------


def dialled(phone: Script, switch: Switch, user: str = "101", **more: str) -> int:
    request = phone.request("INVITE", switch, body=PHONE_SDP, From=f"<sip:{user}@{REALM}>;tag=p", **more)
    return answered(phone, switch, request, user).status


def test_a_person_calls_with_its_password() -> None:
    _, switch, phone = office()
    assert dialled(phone, switch) == 100
    incoming = switch.last(Incoming)
    assert (incoming.identity.kind, incoming.identity.name) == ("person", "101")
    assert incoming.caller == ("Person 101", uri(f"sip:101@{REALM}"))
    assert not incoming.withheld


def test_a_person_cannot_borrow_another_name() -> None:
    _, switch, phone = office()
    request = phone.request(
        "INVITE",
        switch,
        body=PHONE_SDP,
        From=f'"Director" <sip:100@{REALM}>;tag=p',
        P_Asserted_Identity=f"<sip:100@{REALM}>",
        P_Preferred_Identity=f"<sip:100@{REALM}>",
        Remote_Party_ID=f"<sip:100@{REALM}>",
    )
    assert answered(phone, switch, request).status == 100
    assert switch.last(Incoming).caller == ("Person 101", uri(f"sip:101@{REALM}"))


def test_a_trunk_is_known_by_its_address_and_believed_in_what_it_asserts() -> None:
    net, switch, phone = office(**{BOB[0]: "provider"})
    more = {"P_Asserted_Identity": '"Moscow" <sip:+74951112233@provider.example>'}
    phone.say(
        phone.request("INVITE", switch, body=PHONE_SDP, From="<sip:anonymous@anonymous.invalid>;tag=x", **more), switch
    )
    net.run(0.1)
    incoming = switch.last(Incoming)
    assert (incoming.identity.kind, incoming.identity.name) == ("trunk", "provider")
    assert incoming.caller == ("Moscow", uri("sip:+74951112233@provider.example"))
    assert incoming.withheld


@pytest.mark.parametrize(
    ("more", "withheld"),
    [
        ({"Privacy": "id"}, True),
        ({"Privacy": "none"}, False),
        ({"Privacy": "header;user"}, True),
        ({"From": "<sip:anonymous@x.example>;tag=x"}, True),
        ({}, False),
    ],
)
def test_a_caller_may_withhold_its_number(more: dict[str, str], withheld: bool) -> None:
    net, switch, phone = office(**{BOB[0]: "provider"})
    phone.say(phone.request("INVITE", switch, body=PHONE_SDP, **more), switch)
    net.run(0.1)
    assert switch.last(Incoming).withheld is withheld


def test_an_unknown_address_is_challenged_like_a_person_and_gets_no_further() -> None:
    net, switch, _ = office(**{BOB[0]: "provider"})
    stranger = Script(net, ("203.0.113.6", 5060))
    stranger.say(stranger.request("INVITE", switch, body=PHONE_SDP), switch)
    net.run(0.1)
    assert stranger.statuses() == [401]
    assert not switch.told(Incoming)


def test_a_replayed_invite_is_challenged_again() -> None:
    net, switch, phone = office()
    caught: list[bytes] = []
    net.dropped = lambda data: data.startswith(b"INVITE") and caught.append(data) is not None
    assert dialled(phone, switch) == 100
    thief = Script(net, (BOB[0], 5064))
    thief.say(caught[-1].replace(b"z9hG4bK", b"z9hG4bKstolen").replace(b"Call-ID: script", b"Call-ID: stolen"), switch)
    net.run(0.1)
    assert thief.statuses() == [401]
    assert len(switch.told(Incoming)) == 1


# Who may act in a dialog ----------------------------------------------------------------------------------------------


def person_in_a_call() -> tuple[Network, Switch, Script]:
    net, switch, phone = office()
    dialled(phone, switch)
    switch.command(switch.session, Accept(description=ANSWER))
    net.run(0.1)
    phone.say(phone.inside(phone.responses(200)[-1], "ACK", 2), switch)
    net.run(0.1)
    return net, switch, phone


def test_a_person_may_speak_from_another_port_of_its_address() -> None:
    net, switch, phone = person_in_a_call()
    elsewhere = Script(net, (BOB[0], 31337))
    bye = phone.inside(phone.responses(200)[-1], "BYE", 3)
    elsewhere.say(bye, switch)
    net.run(0.1)
    assert elsewhere.statuses() == [200]
    assert switch.last(Ended).cause is Cause.HUNG_UP


def test_a_person_elsewhere_must_prove_itself() -> None:
    net, switch, phone = person_in_a_call()
    accepted = phone.responses(200)[-1]
    elsewhere = Script(net, ("198.51.100.7", 5060))
    bye = phone.inside(accepted, "BYE", 3)
    assert answered(elsewhere, switch, bye, "101", "wrong").status == 401
    assert not switch.told(Ended)
    assert answered(elsewhere, switch, phone.inside(accepted, "BYE", 5, branch="third"), "102").status == 403
    assert not switch.told(Ended)
    assert answered(elsewhere, switch, phone.inside(accepted, "BYE", 7, branch="fourth"), "101").status == 200
    assert switch.last(Ended).cause is Cause.HUNG_UP


def test_after_a_move_requests_follow_the_person() -> None:
    net, switch, phone = person_in_a_call()
    accepted = phone.responses(200)[-1]
    elsewhere = Script(net, ("198.51.100.7", 5060))
    assert answered(elsewhere, switch, phone.inside(accepted, "OPTIONS", 3)).status == 200
    switch.command(switch.session, Hangup())
    net.run(0.1)
    assert len(elsewhere.requests("BYE")) == 1


def test_a_spoofed_ack_is_nothing() -> None:
    net, switch, phone = office()
    dialled(phone, switch)
    switch.command(switch.session, Accept(description=ANSWER))
    net.run(0.1)
    mallory = Script(net, ("203.0.113.6", 5060))
    mallory.say(phone.inside(phone.responses(200)[-1], "ACK", 2), switch)
    net.run(2)
    assert len(phone.responses(200)) > 1
    assert switch.endpoint.counters["stray ACK"] == 1


def test_a_trunk_may_answer_from_any_of_its_addresses() -> None:
    net, switch, first = office(**{BOB[0]: "provider", "192.0.2.77": "provider"})
    switch.call(first, OFFER)
    net.run(0.1)
    invite = first.requests("INVITE")[0]
    first.say(first.reply(invite, 200, body=PHONE_SDP), switch)
    net.run(0.1)
    second = Script(net, ("192.0.2.77", 5060))
    second.say(first.back(invite, "BYE", 1, "bob"), switch)
    net.run(0.1)
    assert second.statuses() == [200]
    assert switch.last(Ended).cause is Cause.HUNG_UP


def test_an_ipv4_mapped_address_is_the_ipv4_address() -> None:
    net, switch, phone = person_in_a_call()
    mapped = Script(net, (f"::ffff:{BOB[0]}", 5060))
    mapped.say(phone.inside(phone.responses(200)[-1], "BYE", 3), switch)
    net.run(0.1)
    assert switch.last(Ended).cause is Cause.HUNG_UP


def test_a_call_follows_a_phone_that_registers_over_a_new_flow() -> None:
    net, switch, phone = office()
    register(phone, switch)
    binding = switch.endpoint.bindings("101")[0]
    caller = switch.call(phone, OFFER, to=binding.flow, target=binding.contact)
    net.run(0.1)
    invite = phone.requests("INVITE")[0]
    phone.say(phone.reply(invite, 200, body=PHONE_SDP), switch)
    net.run(0.1)
    moved = Script(net, ("192.0.2.99", 40000))
    register(moved, switch, cseq=50)
    switch.command(caller, Hangup())
    net.run(0.1)
    assert len(moved.requests("BYE")) == 1
    assert not phone.requests("BYE")


def test_a_call_survives_the_connection_that_it_began_on() -> None:
    net, switch, phone = office()
    flow = Flow("tcp", ALICE, BOB, 3)
    request = phone.request("INVITE", switch, body=PHONE_SDP)
    challenge = switch.endpoint.receive_message(request, flow, net.now)
    assert len(challenge) == 1
    switch.rights.trunks[BOB[0]] = "provider"
    switch.carry(switch.endpoint.receive_message(request, flow, net.now))
    session = switch.session
    switch.command(session, Accept(description=ANSWER))
    net.run(0.1)
    switch.carry(switch.endpoint.receive_message(phone.inside(phone.responses(200)[0], "ACK", 1), flow, net.now))
    switch.carry(switch.endpoint.flow_closed(flow, net.now))
    assert not switch.told(Ended)
    outputs = switch.endpoint.command(session, MakeOffer(description=OFFER), net.now)
    sent = next(out for out in outputs if isinstance(out, PutOnWire))
    assert not isinstance(sent.to, Flow)
    assert (sent.to.host, sent.to.port) == BOB


# Under fire -----------------------------------------------------------------------------------------------------------


def test_two_thousand_unauthenticated_requests_leave_nothing() -> None:
    net, switch, phone = office()
    for number in range(500):
        for method in ("INVITE", "REGISTER", "OPTIONS", "BYE"):
            request = phone.request(method, switch, branch=f"{method}{number}", call_id=f"c{number}")
            switch.endpoint.receive(request.encode(), Flow("udp", ALICE, ("203.0.113.6", number + 1)), net.now)
    assert (len(switch.endpoint), switch.deadline, switch.endpoint.describe()) == (0, None, [])
    assert options(phone, switch) == 200


def test_known_and_unknown_people_look_alike() -> None:
    _, switch, phone = office()
    lengths = {
        user: [
            len(
                answered(
                    phone, switch, phone.request(method, switch, call_id=f"{user}{method}"), user, "guess"
                ).encode()
            )
            for method in ("INVITE", "REGISTER")
        ]
        for user in ("101", "999")
    }
    assert phone.statuses() == [401] * 8
    assert lengths["101"] == lengths["999"]
