"""Registrations over the endpoint: digest, contacts, expiry, limits, flows, keep-alive."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.ids import Ids
from softswitch.sip.auth import DigestClient
from softswitch.sip.events import Binding, Flow, Registered, Unregistered
from softswitch.sip.message import Request, Response
from softswitch.sip.registrar import Accepted, Registrar
from softswitch.sip.settings import SipSettings
from tests.sip.network import ALICE, BOB, OFFER, REALM, Network, Rights, Script, Switch, uri

IDS = Ids(7)


def office(**settings: object) -> tuple[Network, Switch, Script]:
    net = Network()
    rights = Rights(passwords={"101": "secret", "102": "secret"})
    return net, Switch(net, ALICE, rights, **settings), Script(net, BOB)


def answered(phone: Script, switch: Switch, request: Request, user: str = "101", password: str = "secret") -> Response:
    """Send a request, answer the challenge, return the final response."""
    net = phone.network
    phone.say(request, switch)
    net.run(0.1)
    challenge = phone.responses()[-1]
    if challenge.status != 401:
        return challenge
    answer = DigestClient(user, password=password).answer(challenge, request, IDS)
    assert isinstance(answer, tuple)
    headers = request.headers.copy()
    headers.set("CSeq", f"{request.cseq.number + 1} {request.method}")
    headers.set("Via", f"{headers.get('Via')}again")
    headers.set(*answer)
    phone.say(Request(request.method, request.uri, headers, request.body), switch)
    net.run(0.1)
    return phone.responses()[-1]


def register(
    phone: Script,
    switch: Switch,
    contact: str = "<sip:101@192.0.2.2:5060>",
    cseq: int = 1,
    user: str = "101",
    password: str = "secret",
    **more: str,
) -> Response:
    if contact:
        more["Contact"] = contact
    request = phone.request(
        "REGISTER",
        switch,
        cseq,
        call_id=more.pop("call_id", "reg"),
        branch=f"{cseq}{contact[-12:-1]}{more}".translate({ord(c): "x" for c in " :{}'@<>;=,\"*"}),
        uri=f"sip:{REALM}",
        From=f"<sip:{user}@{REALM}>;tag=r",
        To=f"<sip:{more.pop('aor', user)}@{REALM}>",
        **more,
    )
    return answered(phone, switch, request, user, password)


def changes(switch: Switch) -> list[tuple[str, str]]:
    """What was told of registrations: the contact and the change."""
    return [
        (str(event.binding.contact), event.change if isinstance(event, Registered) else event.why)
        for event in switch.events
        if isinstance(event, Registered | Unregistered)
    ]


def test_a_phone_registers_with_its_password() -> None:
    net, switch, phone = office()
    response = register(phone, switch, User_Agent="Phone/1.0")
    assert (response.status, [str(contact) for contact in response.contacts]) == (
        200,
        ["<sip:101@192.0.2.2:5060>;expires=3600"],
    )
    binding = switch.endpoint.bindings("101")[0]
    assert (binding.flow, binding.user_agent) == (Flow("udp", ALICE, BOB), "Phone/1.0")
    assert binding.expires_at - net.now == pytest.approx(3600, abs=0.2)
    assert changes(switch) == [("sip:101@192.0.2.2:5060", "added")]


@pytest.mark.parametrize(("user", "password"), [("101", "wrong"), ("999", "secret")])
def test_wrong_and_unknown_get_the_same_answer(user: str, password: str) -> None:
    _, switch, phone = office()
    response = register(phone, switch, user=user, password=password)
    assert response.status == 401
    assert [name for name, _ in response.headers.items()] == [
        "Via", "From", "To", "Call-ID", "CSeq", "WWW-Authenticate",
    ]  # fmt: skip
    assert not switch.endpoint.all_bindings()
    assert len(switch.endpoint) == 0


def test_a_challenge_allocates_nothing() -> None:
    _, switch, phone = office()
    phone.say(phone.request("REGISTER", switch, uri=f"sip:{REALM}"), switch)
    phone.network.run(0.1)
    assert phone.statuses() == [401]
    assert switch.deadline is None
    assert not switch.endpoint.describe()


@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
def test_a_challenge_is_at_most_twice_its_request(method: str) -> None:
    net, switch, phone = office()
    sizes: list[int] = []
    net.dropped = lambda data: sizes.append(len(data)) is not None
    phone.say(phone.request(method, switch, Contact="<sip:101@192.0.2.2>"), switch)
    net.run(0.1)
    asked, answered_with = sizes
    assert answered_with <= 2 * asked


def test_nobody_registers_for_another() -> None:
    _, switch, phone = office()
    assert register(phone, switch, aor="102").status == 403
    assert not switch.endpoint.all_bindings()


def test_a_query_changes_nothing_and_lists_all() -> None:
    _, switch, phone = office()
    register(phone, switch)
    register(phone, switch, "<sip:101@192.0.2.2:5070>", cseq=10)
    response = register(phone, switch, "", cseq=20)
    assert [str(contact.uri) for contact in response.contacts] == ["sip:101@192.0.2.2:5060", "sip:101@192.0.2.2:5070"]
    assert len(changes(switch)) == 2


def test_a_refresh_keeps_the_time_of_the_first_registration() -> None:
    net, switch, phone = office()
    register(phone, switch)
    before = switch.endpoint.bindings("101")[0]
    net.run(100)
    register(phone, switch, cseq=10)
    after = switch.endpoint.bindings("101")[0]
    assert after.registered_at == before.registered_at
    assert after.expires_at - before.expires_at == pytest.approx(100, abs=1)
    assert changes(switch)[-1][1] == "refreshed"


@pytest.mark.parametrize(
    ("contact", "more", "expected"),
    [
        ("<sip:101@192.0.2.2>;expires=120", {}, 120),
        ("<sip:101@192.0.2.2>", {"Expires": "120"}, 120),
        ("<sip:101@192.0.2.2>;expires=120", {"Expires": "300"}, 120),
        ("<sip:101@192.0.2.2>;expires=86400", {}, 3600),
        ("<sip:101@192.0.2.2>", {}, 3600),
    ],
)
def test_expiry_is_taken_from_contact_then_header_and_clamped(
    contact: str, more: dict[str, str], expected: int
) -> None:
    _, switch, phone = office()
    assert register(phone, switch, contact, **more).contacts[0].param("expires") == str(expected)


def test_too_brief_an_expiry_is_423() -> None:
    _, switch, phone = office()
    response = register(phone, switch, "<sip:101@192.0.2.2>;expires=59")
    assert (response.status, response.min_expires) == (423, 60)
    assert not switch.endpoint.all_bindings()


def test_a_binding_expires() -> None:
    net, switch, phone = office()
    register(phone, switch, "<sip:101@192.0.2.2>;expires=60")
    net.run(59.8)
    assert switch.endpoint.bindings("101")
    net.run(0.2)
    assert changes(switch)[-1] == ("sip:101@192.0.2.2", "expired")
    assert not switch.endpoint.bindings("101")


def test_expires_zero_removes_one_contact() -> None:
    _, switch, phone = office()
    register(phone, switch)
    register(phone, switch, "<sip:101@192.0.2.2:5070>", cseq=10)
    response = register(phone, switch, "<sip:101@192.0.2.2:5060>;expires=0", cseq=20)
    assert [str(contact.uri) for contact in response.contacts] == ["sip:101@192.0.2.2:5070"]
    assert changes(switch)[-1] == ("sip:101@192.0.2.2:5060", "removed")


def test_star_removes_all() -> None:
    _, switch, phone = office()
    register(phone, switch)
    register(phone, switch, "<sip:101@192.0.2.2:5070>", cseq=10)
    response = register(phone, switch, "*", cseq=20, Expires="0")
    assert (response.status, response.contacts) == (200, ())
    assert not switch.endpoint.all_bindings()


@pytest.mark.parametrize("more", [{}, {"Expires": "60"}])
def test_star_without_expires_zero_is_400(more: dict[str, str]) -> None:
    _, switch, phone = office()
    register(phone, switch)
    assert register(phone, switch, "*", cseq=10, **more).status == 400
    assert switch.endpoint.bindings("101")


def test_an_eleventh_contact_is_refused() -> None:
    _, switch, phone = office()
    for number in range(10):
        assert register(phone, switch, f"<sip:101@192.0.2.2:{5060 + number}>", cseq=10 * number).status == 200
    assert register(phone, switch, "<sip:101@192.0.2.2:6000>", cseq=200).status == 403
    assert len(switch.endpoint.bindings("101")) == 10
    swap = "<sip:101@192.0.2.2:5060>;expires=0, <sip:101@192.0.2.2:6000>"
    assert register(phone, switch, swap, cseq=300).status == 200
    assert len(switch.endpoint.bindings("101")) == 10


def test_a_request_with_one_bad_contact_changes_nothing() -> None:
    _, switch, phone = office()
    assert register(phone, switch, "<sip:101@192.0.2.2>, <sip:101@224.0.0.1>").status == 403
    assert not switch.endpoint.all_bindings()


def test_a_contact_that_stands_twice_is_400() -> None:
    _, switch, phone = office()
    register(phone, switch)
    twice = "<sip:101@192.0.2.2:5060>;expires=0, <sip:101@192.0.2.2:5060>;expires=0"
    assert register(phone, switch, twice, cseq=10).status == 400
    assert register(phone, switch, "<sip:a@192.0.2.2>, <sip:a@192.0.2.2>;expires=60", cseq=20).status == 400
    assert len(switch.endpoint.bindings("101")) == 1


def test_an_old_register_of_the_same_call_id_is_refused() -> None:
    _, switch, phone = office()
    register(phone, switch, cseq=50)
    assert register(phone, switch, "<sip:101@192.0.2.2:5060>;expires=0", cseq=40).status == 500
    assert switch.endpoint.bindings("101")
    assert register(phone, switch, "<sip:101@192.0.2.2:5060>;expires=0", cseq=4, call_id="rebooted").status == 200


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:101@192.0.2.1:5060>",
        "<sip:101@192.0.2.1>",
        "<sip:101@127.0.0.1>",
        "<sip:101@localhost>",
        "<sip:101@224.0.1.75>",
        "<sip:101@[ff02::1]>",
        "<sip:101@0.0.0.0>",
        "<sip:101@255.255.255.255>",
        "<sip:101@[::1]>",
    ],
)
def test_contacts_that_would_be_us_or_everybody_are_refused(contact: str) -> None:
    _, switch, phone = office()
    assert register(phone, switch, contact).status == 403


def test_headers_in_a_contact_are_kept_as_data() -> None:
    _, switch, phone = office()
    contact = "sip:101@192.0.2.2?Route=%3Csip:evil.example%3E"
    response = register(phone, switch, f"<{contact}>")
    assert str(response.contacts[0].uri) == contact
    assert str(switch.endpoint.bindings("101")[0].contact) == contact


def test_equal_uris_are_one_binding() -> None:
    _, switch, phone = office()
    register(phone, switch, "<sip:101@Phone.example;ob>")
    register(phone, switch, "<sip:101@phone.example>", cseq=10)
    assert len(switch.endpoint.bindings("101")) == 1


def test_a_retransmitted_register_gets_the_same_answer() -> None:
    net, switch, phone = office()
    net.double = 1.0
    register(phone, switch)
    assert phone.statuses().count(200) >= 2
    assert changes(switch) == [("sip:101@192.0.2.2:5060", "added")]


def test_a_call_goes_to_the_flow_and_not_to_the_contact() -> None:
    net, switch, phone = office()
    register(phone, switch, "<sip:101@10.0.0.7:5060;line=1>")
    binding = switch.endpoint.bindings("101")[0]
    switch.call(phone, OFFER, to=binding.flow, target=binding.contact)
    net.run(0.1)
    invite = phone.requests("INVITE")[0]
    assert str(invite.uri) == "sip:101@10.0.0.7:5060;line=1"
    phone.say(phone.reply(invite, 200, body=str(OFFER), Contact="<sip:101@10.0.0.7:5060;line=1>"), switch)
    net.run(0.1)
    assert len(phone.requests("ACK")) == 1


def test_a_closed_connection_takes_its_bindings_along() -> None:
    net, switch, _ = office()
    flow = Flow("tcp", ALICE, BOB, 7)
    binding = _binding(flow)
    switch.endpoint._registrar._store(binding)
    switch.carry(switch.endpoint.flow_closed(flow, net.now))
    assert changes(switch) == [("sip:101@192.0.2.2", "connection closed")]
    assert not switch.endpoint.all_bindings()


def _binding(flow: Flow, expires_at: float = 5000.0) -> Binding:
    return Binding(
        person="101",
        contact=uri("sip:101@192.0.2.2"),
        flow=flow,
        call_id="x",
        cseq=1,
        registered_at=900.0,
        expires_at=expires_at,
    )


def test_bindings_are_restored_but_for_the_expired() -> None:
    _, switch, _ = office()
    udp = Flow("udp", ALICE, BOB)
    switch.endpoint.restore([_binding(udp), _binding(udp, expires_at=999.0)], 1000.0)
    assert switch.endpoint.all_bindings() == [_binding(udp)]


def _waiting() -> Binding:
    return replace(_binding(Flow("tcp", ALICE, BOB)), reachable=False, waiting=True)


def test_a_binding_over_a_stream_waits_for_its_phone_and_is_not_asked_meanwhile() -> None:
    net, switch, phone = office(keepalive_interval=10.0)
    switch.endpoint.restore([_waiting()], net.now)
    net.run(100)
    assert switch.endpoint.all_bindings() == [_waiting()]
    assert not phone.requests("OPTIONS")


def test_a_phone_that_registers_again_with_its_contact_is_reachable_at_once() -> None:
    net, switch, phone = office()
    switch.endpoint.restore([_waiting()], net.now)
    register(phone, switch, "<sip:101@192.0.2.2>")
    (binding,) = switch.endpoint.all_bindings()
    assert (binding.reachable, binding.waiting) == (True, False)
    assert changes(switch) == [("sip:101@192.0.2.2", "refreshed")]


def test_a_phone_that_reconnects_with_another_contact_replaces_the_one_that_waited() -> None:
    net, switch, phone = office()
    old = replace(_waiting(), contact=uri("sip:101@192.0.2.2:40001;transport=tcp"), call_id="reg")
    switch.endpoint.restore([old], net.now)
    register(phone, switch)
    assert [str(b.contact) for b in switch.endpoint.all_bindings()] == ["sip:101@192.0.2.2:5060"]
    assert changes(switch)[0] == ("sip:101@192.0.2.2:40001;transport=tcp", "replaced")


def test_phones_that_wait_take_no_place_of_others() -> None:
    net, switch, phone = office(max_contacts=1)
    switch.endpoint.restore([replace(_waiting(), contact=uri("sip:101@192.0.2.9"))], net.now)
    register(phone, switch)
    assert len(switch.endpoint.all_bindings()) == 2


# Path (RFC 3327) ------------------------------------------------------------------------------------------------------


def test_the_path_of_a_registration_is_kept_and_returned() -> None:
    _, switch, phone = office()
    hops = "<sip:edge.example;lr>, <sip:core.example;lr>"
    answer = register(phone, switch, Path=hops)
    assert answer.headers.all("Path") == ["<sip:edge.example;lr>", "<sip:core.example;lr>"]
    (binding,) = switch.endpoint.all_bindings()
    assert binding.path == ("<sip:edge.example;lr>", "<sip:core.example;lr>")


def test_questions_to_a_phone_behind_proxies_go_through_its_path() -> None:
    net, switch, phone = office(keepalive_interval=10.0)
    register(phone, switch, Path="<sip:edge.example;lr>")
    net.run(15)
    assert phone.requests("OPTIONS")[0].headers.all("Route") == ["<sip:edge.example;lr>"]


@pytest.mark.parametrize("path", ["", "edge", "<http://edge.example>", ", ".join(["<sip:e.example;lr>"] * 11)])
def test_a_path_that_nobody_could_go_is_refused(path: str) -> None:
    _, switch, phone = office()
    assert register(phone, switch, Path=path).status == 400


# Keep-alive -----------------------------------------------------------------------------------------------------------


def kept() -> tuple[Network, Switch, Script]:
    net, switch, phone = office(keepalive_interval=10.0)
    phone.answering = lambda m: phone.reply(m, 200) if isinstance(m, Request) and m.method == "OPTIONS" else None
    register(phone, switch)
    return net, switch, phone


def test_a_living_phone_is_asked_each_ten_seconds() -> None:
    net, switch, phone = kept()
    net.run(100)
    assert 10 <= len(phone.requests("OPTIONS")) <= 11
    assert len(changes(switch)) == 1


@pytest.mark.parametrize("status", [200, 404, 405, 501, 603])
def test_any_answer_is_a_sign_of_life(status: int) -> None:
    net, switch, phone = kept()
    phone.answering = lambda m: phone.reply(m, status) if isinstance(m, Request) else None
    net.run(60)
    assert switch.endpoint.bindings("101")[0].reachable


def test_a_dead_phone_is_unreachable_within_30_s_and_back_with_its_answer() -> None:
    net, switch, phone = kept()
    net.run(33)
    alive, phone.answering = phone.answering, lambda m: None
    net.run(30)
    assert changes(switch)[-1][1] == "unreachable"
    assert not switch.endpoint.bindings("101")[0].reachable
    phone.answering = alive
    net.run(12)
    assert changes(switch)[-1][1] == "reachable"


def test_a_register_makes_a_phone_reachable_at_once() -> None:
    net, switch, phone = kept()
    phone.answering = lambda m: None
    net.run(31)
    register(phone, switch, cseq=50)
    assert switch.endpoint.bindings("101")[0].reachable
    assert changes(switch)[-1][1] == "refreshed"


def test_a_removed_binding_is_asked_no_more() -> None:
    net, switch, phone = kept()
    register(phone, switch, "*", cseq=10, Expires="0")
    phone.heard.clear()
    net.run(60)
    assert not phone.requests("OPTIONS")
    assert switch.deadline is None


def test_a_phone_that_cannot_be_sent_to_is_unreachable_at_once() -> None:
    net, switch, _ = kept()
    net.run(1)
    while not (outputs := switch.endpoint.tick(net.now)):
        assert switch.deadline is not None
        net.now = switch.deadline
    switch.carry(switch.endpoint.transport_failed(outputs[0].key, net.now))
    assert changes(switch)[-1][1] == "unreachable"


def test_the_questions_leave_no_rubbish() -> None:
    net, switch, phone = kept()
    phone.answering = lambda m: None
    net.run(400)
    assert sum("OPTIONS" in line for line in switch.endpoint.describe()) <= 3


# Whatever comes -------------------------------------------------------------------------------------------------------

CONTACTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from(["", ";expires=0", ";expires=30", ";expires=600", ";expires=x"]),
    ),
    max_size=4,
)


@given(
    requests=st.lists(
        st.tuples(
            st.sampled_from(["101", "102"]),
            st.integers(1, 5),
            st.sampled_from(["c1", "c2"]),
            CONTACTS,
            st.integers(0, 400),
        ),
        max_size=12,
    )
)
def test_the_registrar_never_raises_and_keeps_its_books(
    requests: list[tuple[str, int, str, list[tuple[str, str]], int]],
) -> None:
    registrar = Registrar(SipSettings(domain=REALM, max_contacts=2))
    script = Script(Network(), BOB)
    now = 0.0
    for person, cseq, call_id, contacts, pause in requests:
        text = ", ".join(f"<sip:{name}@192.0.2.9>{expires}" for name, expires in contacts) or "*"
        request = script.request(
            "REGISTER",
            script,
            cseq,
            call_id=call_id,
            To=f"<sip:{person}@{REALM}>",
            Contact=text,
            Expires="0" if text == "*" else "60",
        )
        before = registrar.all_bindings()
        result = registrar.register(person, request, Flow("udp", ALICE, BOB), now, ())
        if not isinstance(result, Accepted):
            assert registrar.all_bindings() == before
        now += pause
        registrar.tick(now)
        for binding in registrar.all_bindings():
            assert now < binding.expires_at <= now + 3600
            assert registrar.find(binding.person, str(binding.contact)) == binding
        assert len(registrar.bindings(person)) <= 2
    registrar.tick(now + 3601)
    assert (len(registrar), registrar.deadline) == (0, None)
