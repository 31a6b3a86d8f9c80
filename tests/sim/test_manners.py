"""What the switch says to requests that are strange, forged, repeated or addressed to nobody."""

from __future__ import annotations

import pytest

from softswitch.events import CallArrived, ConversationEnded, LegAnswered
from softswitch.sip.settings import SipSettings
from tests.sim.network import Link
from tests.sim.office import DOMAIN, SWITCH, VirtualOffice
from tests.sim.phone import Phone


def asked(method: str, *headers: str, **options: str) -> Phone:
    office = VirtualOffice()
    anna = office.phone("101")
    anna.ask(method, *headers, **options)  # type: ignore[arg-type]
    office.run(1)
    return anna


def test_options_tells_what_we_can():
    anna = asked("OPTIONS")
    answer = anna.last("OPTIONS")
    assert answer.status == 200
    assert {"INVITE", "UPDATE", "PRACK"} <= set(answer["allow"].split(", "))
    assert answer["accept"] == "application/sdp"
    assert answer["supported"] == "100rel, timer, path"


def test_an_unknown_method_is_not_implemented():
    assert asked("DANCE").status == 501


@pytest.mark.parametrize("method", ["SUBSCRIBE", "REFER", "PUBLISH"])
def test_a_method_that_we_do_not_allow_is_answered_with_those_that_we_do(method: str):
    answer = asked(method).last(method)
    assert answer.status == 405
    assert "INVITE" in answer["allow"]


def test_a_body_that_is_no_session_description_is_refused():
    answer = asked("INVITE", "Content-Type: text/html", body="<p>hello</p>", target="sip:102@office.example")
    assert answer.last("INVITE").status == 415
    assert answer.last("INVITE")["accept"] == "application/sdp"


def test_an_unknown_required_extension_is_named():
    answer = asked("INVITE", "Require: 100rel, teleport", target="sip:102@office.example").last("INVITE")
    assert (answer.status, answer["unsupported"]) == (420, "teleport")


def test_an_extension_asked_of_proxies_is_no_concern_of_ours():
    # RFC 3261 section 20.29: Proxy-Require speaks to proxies; we are the user agent. 401 is the challenge.
    office = VirtualOffice()
    anna = office.phone("101", headers=("Proxy-Require: teleport",))
    office.phone("102")
    anna.call("102")
    office.run(3)
    assert anna.talking


def test_hops_are_counted_across_the_two_sides():
    office = VirtualOffice()
    anna, boris = office.phone("101", headers=("Max-Forwards: 5",)), office.phone("102")
    anna.call("102")
    office.run(3)
    assert boris.last("INVITE", request=True)["max-forwards"] == "4"


def test_a_call_that_has_gone_in_circles_ends():
    office = VirtualOffice()
    anna, boris = office.phone("101", headers=("Max-Forwards: 0",)), office.phone("102")
    anna.call("102")
    office.run(3)
    assert anna.status == 483
    assert boris.count("INVITE") == 0


@pytest.mark.parametrize("method", ["BYE", "UPDATE", "PRACK"])
def test_a_request_of_a_dialog_that_does_not_exist_gets_481(method: str):
    assert asked(method, to="<sip:102@office.example>;tag=nobody").last(method).status == 481


def test_a_codec_that_only_the_caller_has_is_refused_by_the_called_telephone():
    # G.729 is unknown to the switch, so it asks the callee, whose packets it would only pass on.
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna._sdp = lambda **_: (  # type: ignore[method-assign]
        "v=0\r\no=- 7 1 IN IP4 10.0.2.1\r\ns=-\r\nc=IN IP4 10.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n"
    )
    anna.call("102")
    office.run(6)
    assert anna.status == 488
    assert boris.count("INVITE") == 1
    assert office.results == ["failed"]
    assert office.settled()


def test_an_offer_without_any_codec_is_refused_before_anybody_rings():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna._sdp = lambda **_: (  # type: ignore[method-assign]
        "v=0\r\no=- 7 1 IN IP4 10.0.2.1\r\ns=-\r\nc=IN IP4 10.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 101\r\n"
        "a=rtpmap:101 telephone-event/8000\r\n"
    )
    anna.call("102")
    office.run(6)
    assert anna.status == 488
    assert anna.last("INVITE")["warning"].startswith("399 softswitch")
    assert boris.count("INVITE") == 0
    assert office.results == ["failed"]
    assert office.settled()


def test_an_offer_of_multicast_is_refused_before_anybody_rings():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna._sdp = lambda **_: (  # type: ignore[method-assign]
        "v=0\r\no=- 7 1 IN IP4 10.0.2.1\r\ns=-\r\nc=IN IP4 224.1.2.3/15\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
    )
    anna.call("102")
    office.run(6)
    assert anna.status == 488
    assert boris.count("INVITE") == 0
    assert office.settled()


# Proof ----------------------------------------------------------------------------------------------------------------


def challenges_of(name: str, password: str) -> list[int]:
    office = VirtualOffice()
    phone = office.phone(name, registered=False, password=password)
    phone.register()
    office.run(2)
    return [m.status for m in phone.inbox]


def test_a_wrong_password_and_an_unknown_person_get_the_same_answer():
    assert challenges_of("101", "wrong") == challenges_of("999", "wrong")
    assert set(challenges_of("101", "wrong")) == {401}


def test_nobody_calls_without_the_password():
    office = VirtualOffice()
    boris = office.phone("102")
    thief = office.phone("101", registered=False, password="wrong")
    thief.call("102")
    office.run(5)
    assert thief.idle
    assert boris.count("INVITE") == 0
    assert office.told(CallArrived) == []


def test_the_from_of_a_person_is_not_believed():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.headers = ("P-Asserted-Identity: <sip:105@office.example>",)
    anna.call("102")
    office.run(2)
    assert boris.last("INVITE", request=True)["p-asserted-identity"].endswith("<sip:101@office.example>")


def test_a_bye_from_a_strange_address_must_be_proved():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    stranger = office.phone("102", host="10.9.9.9", registered=False)
    anna.call("102")
    office.run(3)
    assert anna.dialog
    d = anna.dialog
    bye = anna._format("BYE", d.target, d.local, d.remote, d.call_id, d.cseq + 1, "z9hG4bKstolen", [], None)
    office.network.send(stranger.sip, SWITCH, bye, office.now)
    office.run(1)
    assert [m.status for m in stranger.inbox] == [401]
    assert anna.talking
    assert boris.talking


def test_no_header_of_a_peer_travels_to_the_other_side():
    office = VirtualOffice()
    anna = office.phone("101", headers=("X-Secret: inside", "Alert-Info: <http://inside.example/ring>", "Subject: x"))
    provider = office.provider()
    anna.call("+79161234567")
    office.run(3)
    invite = provider.last("INVITE", request=True)
    assert not {"x-secret", "alert-info", "subject"} & {name for name, _ in invite.headers}
    assert "inside.example" not in " ".join(value for _, value in invite.headers)
    assert "10.0.2.1" not in invite.body.decode()


# Again and again ------------------------------------------------------------------------------------------------------


def test_every_datagram_may_come_twice():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    office.network.link = Link(duplicate=1.0)
    anna.call("102")
    office.run(5)
    assert anna.talking
    assert boris.talking
    boris.hang_up()
    office.run(40)
    assert len(office.told(CallArrived)) == len(office.told(ConversationEnded)) == 1
    assert len(office.told(LegAnswered)) == 2
    assert office.settled()
    assert office.forgotten


@pytest.mark.parametrize("lost", [b"INVITE sip:102", b"SIP/2.0 180", b"SIP/2.0 200", b"ACK", b"BYE"])
def test_any_message_may_be_lost_once(lost: bytes):
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", answer=1.0)
    for _ in range(2):  # on each side of the switch
        office.network.lose_next(lost)
    anna.call("102")
    office.run(12)
    assert anna.talking
    assert boris.talking
    anna.hang_up()
    office.run(80)
    assert anna.idle
    assert boris.idle
    assert office.results == ["answered"]
    assert office.settled()
    assert office.forgotten


def test_a_lost_ack_is_made_up_for_by_the_repeated_200():
    office = VirtualOffice()
    anna, _ = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run_until(lambda: anna.status == 180)
    office.network.lose_next(b"ACK")
    office.network.lose_next(b"ACK")
    office.run(5)
    assert [m.status for m in anna.inbox if m.method == "INVITE"].count(200) >= 2
    office.run(60)
    assert anna.talking
    assert office.told(ConversationEnded) == []


def test_a_caller_may_say_bye_without_ever_having_said_ack():
    office = VirtualOffice()
    anna, boris = office.phone("101", acks=False), office.phone("102")
    anna.call("102")
    office.run_until(lambda: anna.talking)
    anna.hang_up()
    office.run(1)
    assert anna.idle
    assert boris.idle
    office.run(80)
    assert office.results == ["answered"]
    assert office.settled()
    assert office.forgotten


# Registration ---------------------------------------------------------------------------------------------------------


def register(phone: Phone, *headers: str, expires: int = 3600) -> int | None:
    phone.status = None
    phone._request(
        "REGISTER",
        f"sip:{DOMAIN}",
        extra=[f"Expires: {expires}", *headers],
        call_id=f"reg-{phone.name}-{phone._next()}",
    )
    phone.office.run(0.5)
    return phone.status


def test_one_contact_too_many_is_refused():
    office = VirtualOffice(sip=SipSettings(domain=DOMAIN, advertised=lambda _: SWITCH, max_contacts=2))
    office.phone("101")
    office.phone("101")
    third = office.phone("101", registered=False)
    assert register(third) == 403
    assert len(office.control.bindings("101")) == 2


def test_a_star_removes_all_contacts():
    office = VirtualOffice()
    anna = office.phone("101")
    office.phone("101")
    assert len(office.control.bindings("101")) == 2
    assert register(anna, "Contact: *", expires=0) == 200
    assert office.control.bindings("101") == []


def test_a_telephone_that_unregisters_is_not_called():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    boris.register(expires=0)
    office.run(1)
    anna.call("102")
    office.run(3)
    assert anna.status == 480
    assert boris.count("INVITE") == 0


def test_too_brief_a_registration_is_refused():
    office = VirtualOffice()
    anna = office.phone("101", registered=False)
    assert register(anna, expires=10) == 423
    assert anna.last("REGISTER")["min-expires"] == "60"


def test_nobody_registers_for_a_colleague():
    office = VirtualOffice()
    anna = office.phone("101")
    anna._put(
        anna._format(
            "REGISTER", f"sip:{DOMAIN}", "<sip:101@office.example>;tag=x", "<sip:102@office.example>", "theft", 1,
            "z9hG4bKtheft", ["Expires: 3600"], None,
        )
    )  # fmt: skip
    office.run(1)
    assert office.control.bindings("102") == []


# Behind a NAT ---------------------------------------------------------------------------------------------------------


def test_a_telephone_behind_a_nat_is_called_where_its_packets_come_from():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", contact="192.168.0.7")
    anna.call("102")
    office.run(3)
    assert boris.talking
    assert boris.last("INVITE", request=True).target.startswith("sip:102@192.168.0.7")
    anna.hang_up()
    office.run(6)
    assert boris.idle
    boris.call("101")
    office.run(3)
    assert anna.talking
    anna.hang_up()
    office.run(6)
    assert boris.idle
    assert office.settled()


def test_a_response_goes_back_to_the_port_it_was_asked_from():
    office = VirtualOffice()
    anna = office.phone("101")
    via = next(m for m in anna.inbox if m.status == 200)["via"]
    assert "rport=5060" in via
    assert "received=10.0.2.1" in via


def test_a_telephone_whose_nat_forgot_it_is_found_again_after_it_registers():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102")
    anna.call("102")
    office.run(3)
    contact = boris.contact_uri
    office.move(boris, "10.0.2.77")
    register(boris, f"Contact: <{contact}>")
    anna.hang_up()
    office.run(3)
    assert boris.idle
    office.run(5)
    assert office.results == ["answered"]
    assert office.settled()
