"""The called half against a scripted peer: what an INVITE may ask, 100rel, late offers, CANCEL, BYE."""

from __future__ import annotations

import pytest

from softswitch.sip.events import (
    Accept,
    AnswerOffer,
    Cause,
    Confirmed,
    Ended,
    Hangup,
    Incoming,
    MakeOffer,
    Reason,
    RefuseOffer,
    Reject,
    RemoteAnswer,
    RemoteOffer,
    Ring,
)
from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response
from tests.sip.network import ANSWER, OFFER, Network, Script, Switch, port_of, scripted, sdp

OFFER_TEXT = str(sdp("192.0.2.2", 5000))
MOVED_TEXT = str(sdp("192.0.2.2", 5002))


def called(body: str = OFFER_TEXT, **more: str) -> tuple[Network, Switch, Script, Request]:
    net, alice, bob = scripted()
    invite = bob.request("INVITE", alice, body=body, **more)
    bob.say(invite, alice)
    net.run(0.1)
    return net, alice, bob, invite


def cancel_of(invite: Request, **more: str) -> Request:
    headers = Headers()
    for name in ("Via", "From", "To", "Call-ID", "Max-Forwards"):
        headers.add(name, invite.headers.get(name) or "")
    headers.add("CSeq", f"{invite.cseq.number} CANCEL")
    for name, value in more.items():
        headers.add(name, value)
    return Request("CANCEL", invite.uri, headers)


def test_an_invite_is_answered_100_and_told() -> None:
    _, alice, bob, invite = called()
    assert bob.statuses() == [100]
    assert port_of(alice.last(Incoming).offer) == 5000
    assert alice.last(Incoming).request.call_id == invite.call_id


def test_a_retransmitted_invite_is_told_once() -> None:
    net, alice, bob, invite = called()
    bob.say(invite, alice)
    net.run(0.1)
    assert len(alice.told(Incoming)) == 1


def test_the_answer_echoes_the_record_route() -> None:
    net, alice, bob, _ = called(Record_Route="<sip:192.0.2.2;lr>")
    alice.command(alice.session, Ring())
    alice.command(alice.session, Accept(description=ANSWER))
    net.run(0.1)
    assert [m.headers.get("Record-Route") for m in bob.responses() if m.status >= 180] == ["<sip:192.0.2.2;lr>"] * 2
    alice.command(alice.session, Hangup())
    bob.say(bob.inside(bob.responses(200)[0], "ACK", 1), alice)
    net.run(0.1)
    assert [str(route) for route in bob.requests("BYE")[0].routes] == ["<sip:192.0.2.2;lr>"]


def test_all_responses_have_one_tag() -> None:
    net, alice, bob, _ = called()
    alice.command(alice.session, Ring())
    alice.command(alice.session, Ring(status=183, description=ANSWER))
    alice.command(alice.session, Reject(status=486))
    net.run(0.1)
    assert len({m.to.tag for m in bob.responses() if m.status > 100}) == 1


def test_early_media_repeats_its_answer_in_the_2xx() -> None:
    net, alice, bob, _ = called()
    alice.command(alice.session, Ring(status=183, description=ANSWER))
    alice.command(alice.session, Accept(description=ANSWER))
    net.run(0.1)
    assert bob.responses(183)[0].body == bob.responses(200)[0].body == bytes(ANSWER)


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"Contact": "<tel:+7495>"}, 400),
        ({"Session_Expires": "60", "Supported": "timer"}, 422),
        ({"Require": "precondition"}, 420),
        ({"Accept": "text/plain"}, 406),
    ],
)
def test_an_invite_that_cannot_become_a_call(more: dict[str, str], found: int) -> None:
    _, alice, bob, _ = called(**more)
    assert bob.statuses() == [found]
    assert not alice.told(Incoming)
    assert len(alice.endpoint) == 0


def test_a_description_that_cannot_be_read_is_400() -> None:
    _, alice, bob, _ = called(body="v=0\r\nthis is no SDP")
    assert bob.statuses() == [400]
    assert not alice.told(Incoming)


def test_an_invite_that_came_by_two_ways_is_482() -> None:
    net, alice, bob, _ = called()
    bob.say(bob.request("INVITE", alice, branch="other", body=OFFER_TEXT), alice)
    net.run(0.1)
    assert bob.statuses() == [100, 482]


# CANCEL and BYE -------------------------------------------------------------------------------------------------------


def test_a_cancel_ends_the_call_with_its_reason() -> None:
    net, alice, bob, invite = called()
    bob.say(cancel_of(invite, Reason='SIP;cause=200;text="Call completed elsewhere"'), alice)
    net.run(0.1)
    assert sorted((m.cseq.method, m.status) for m in bob.responses()[1:]) == [("CANCEL", 200), ("INVITE", 487)]
    ended = alice.last(Ended)
    assert (ended.cause, ended.reason) == (
        Cause.CANCELLED,
        Reason(protocol="SIP", cause=200, text="Call completed elsewhere"),
    )


def test_a_cancel_after_the_answer_changes_nothing() -> None:
    net, alice, bob, invite = called()
    alice.command(alice.session, Accept(description=ANSWER))
    bob.say(cancel_of(invite), alice)
    net.run(0.1)
    assert bob.responses()[-1].status == 200
    assert not alice.told(Ended)


def test_a_cancel_from_another_host_is_481() -> None:
    net, alice, _, invite = called()
    mallory = Script(net, ("203.0.113.6", 5060))
    mallory.say(cancel_of(invite), alice)
    net.run(0.1)
    assert mallory.statuses() == [481]
    assert not alice.told(Ended)


def test_an_answer_after_the_cancel_is_void() -> None:
    net, alice, bob, invite = called()
    bob.say(cancel_of(invite), alice)
    net.run(0.1)
    alice.command(alice.session, Accept(description=ANSWER))
    net.run(0.05)
    assert 200 not in bob.statuses("INVITE")
    assert alice.causes == ["cancelled"]


def test_a_bye_instead_of_cancel_ends_the_early_dialog() -> None:
    net, alice, bob, _ = called()
    alice.command(alice.session, Ring())
    net.run(0.1)
    bob.say(bob.inside(bob.responses(180)[0], "BYE", 2), alice)
    net.run(0.1)
    assert sorted((m.cseq.method, m.status) for m in bob.responses()[2:]) == [("BYE", 200), ("INVITE", 487)]
    assert alice.causes == ["cancelled"]


def test_a_bye_before_the_ack_ends_the_call_and_stops_the_200() -> None:
    net, alice, bob, _ = called()
    alice.command(alice.session, Accept(description=ANSWER))
    net.run(0.1)
    bob.say(bob.inside(bob.responses(200)[0], "BYE", 2), alice)
    net.run(10)
    assert alice.causes == ["hung up"]
    assert bob.statuses("INVITE").count(200) == 1
    assert not alice.told(Confirmed)


def test_an_invitation_expires() -> None:
    net, alice, bob, _ = called(Expires="10")
    net.run(9.8)
    assert not alice.told(Ended)
    net.run(0.2)
    assert bob.statuses()[:2] == [100, 487]
    assert alice.causes == ["cancelled"]


# Late offers ----------------------------------------------------------------------------------------------------------


def test_a_late_offer_goes_into_the_2xx_and_the_answer_comes_with_the_ack() -> None:
    net, alice, bob, _ = called(body="")
    assert alice.last(Incoming).offer is None
    alice.command(alice.session, Accept(description=OFFER))
    net.run(0.1)
    accepted = bob.responses(200)[0]
    assert accepted.body == bytes(OFFER)
    bob.say(bob.inside(accepted, "ACK", 1, body=OFFER_TEXT), alice)
    net.run(0.1)
    assert port_of(alice.last(Confirmed).description) == 5000


def test_an_ack_without_the_answer_is_a_protocol_error() -> None:
    net, alice, bob, _ = called(body="")
    alice.command(alice.session, Accept(description=OFFER))
    net.run(0.1)
    bob.say(bob.inside(bob.responses(200)[0], "ACK", 1), alice)
    net.run(0.1)
    assert alice.causes == ["protocol error"]
    assert len(bob.requests("BYE")) == 1


def test_our_late_offer_does_not_travel_in_an_unreliable_response() -> None:
    net, alice, bob, _ = called(body="")
    alice.command(alice.session, Ring(status=183, description=OFFER))
    net.run(0.1)
    assert bob.responses(183)[0].body == b""


def test_our_late_offer_travels_in_a_reliable_response_and_is_answered_in_the_prack() -> None:
    net, alice, bob, _ = called(body="", Supported="100rel")
    alice.command(alice.session, Ring(status=183, description=OFFER))
    net.run(0.1)
    progress = bob.responses(183)[0]
    assert progress.body == bytes(OFFER)
    bob.say(bob.inside(progress, "PRACK", 2, RAck=f"{progress.rseq} 1 INVITE", body=OFFER_TEXT), alice)
    net.run(0.1)
    assert port_of(alice.last(RemoteAnswer).description) == 5000
    alice.command(alice.session, Accept(description=OFFER))
    net.run(0.1)
    assert bob.responses(200)[-1].body == b""


# 100rel ---------------------------------------------------------------------------------------------------------------


def test_only_responses_with_a_description_are_reliable_where_it_is_only_supported() -> None:
    net, alice, bob, _ = called(Supported="100rel")
    alice.command(alice.session, Ring())
    alice.command(alice.session, Ring(status=183, description=ANSWER))
    net.run(0.1)
    assert [(m.status, m.require) for m in bob.responses()[1:3]] == [(180, ()), (183, ("100rel",))]


def test_every_response_is_reliable_where_it_is_required() -> None:
    net, alice, bob, _ = called(Require="100rel")
    alice.command(alice.session, Ring())
    net.run(0.1)
    ringing = bob.responses(180)[0]
    assert ringing.require == ("100rel",)
    assert ringing.rseq


def test_a_reliable_response_is_resent_until_its_prack() -> None:
    net, alice, bob, _ = called(Supported="100rel")
    alice.command(alice.session, Ring(status=183, description=ANSWER))
    net.run(3.9)
    # At 0, T1 = 0.5, 1.5 and 3.5 s.
    assert len(bob.responses(183)) == 4
    progress = bob.responses(183)[0]
    bob.say(bob.inside(progress, "PRACK", 2, RAck=f"{progress.rseq} 1 INVITE"), alice)
    net.run(30)
    assert len(bob.responses(183)) == 4
    assert bob.statuses("PRACK") == [200]


def test_the_2xx_waits_for_the_prack_of_a_description_and_then_has_none() -> None:
    net, alice, bob, _ = called(Supported="100rel")
    alice.command(alice.session, Ring(status=183, description=ANSWER))
    alice.command(alice.session, Accept(description=ANSWER))
    net.run(0.1)
    assert not bob.responses(200)
    progress = bob.responses(183)[0]
    bob.say(bob.inside(progress, "PRACK", 2, RAck=f"{progress.rseq} 1 INVITE"), alice)
    net.run(0.1)
    assert [(m.cseq.method, m.body) for m in bob.responses(200)] == [("PRACK", b""), ("INVITE", b"")]


def test_a_second_reliable_response_waits_for_the_prack_of_the_first() -> None:
    net, alice, bob, _ = called(Require="100rel")
    alice.command(alice.session, Ring())
    alice.command(alice.session, Ring(status=183, description=ANSWER))
    net.run(0.1)
    assert not bob.responses(183)
    ringing = bob.responses(180)[0]
    bob.say(bob.inside(ringing, "PRACK", 2, RAck=f"{ringing.rseq} 1 INVITE"), alice)
    net.run(0.1)
    assert bob.responses(183)[0].rseq == (ringing.rseq or 0) + 1


def test_a_prack_of_nothing_is_481() -> None:
    net, alice, bob, _ = called(Supported="100rel")
    alice.command(alice.session, Ring(status=183, description=ANSWER))
    net.run(0.1)
    progress = bob.responses(183)[0]
    for cseq, rack in ((2, f"{(progress.rseq or 0) + 1} 1 INVITE"), (3, f"{progress.rseq} 9 INVITE"), (4, "junk")):
        bob.say(bob.inside(progress, "PRACK", cseq, RAck=rack), alice)
    net.run(0.1)
    assert bob.statuses("PRACK") == [481, 481, 481]


def test_a_prack_that_never_comes_ends_the_call() -> None:
    net, alice, bob, _ = called(Supported="100rel")
    alice.command(alice.session, Ring(status=183, description=ANSWER))
    net.run(31.9)
    assert not alice.told(Ended)
    net.run(0.2)
    assert (alice.last(Ended).cause, bob.responses()[-1].status) == (Cause.NO_RESPONSE, 504)


def reliable_early() -> tuple[Network, Switch, Script, Response]:
    net, alice, bob, _ = called(Supported="100rel", Allow="INVITE, UPDATE, PRACK")
    alice.command(alice.session, Ring(status=183, description=ANSWER))
    net.run(0.1)
    progress = bob.responses(183)[0]
    bob.say(bob.inside(progress, "PRACK", 2, RAck=f"{progress.rseq} 1 INVITE"), alice)
    net.run(0.1)
    return net, alice, bob, progress


def test_an_update_before_the_answer_is_answered() -> None:
    net, alice, bob, progress = reliable_early()
    bob.say(bob.inside(progress, "UPDATE", 3, body=MOVED_TEXT), alice)
    net.run(0.1)
    assert port_of(alice.last(RemoteOffer).description) == 5002
    alice.command(alice.session, AnswerOffer(description=ANSWER))
    net.run(0.1)
    assert bob.responses(200)[-1].cseq.method == "UPDATE"
    assert "Session-Expires" not in bob.responses(200)[-1].headers


def test_our_update_before_the_answer_is_sent() -> None:
    net, alice, bob, _ = reliable_early()
    alice.command(alice.session, MakeOffer(description=sdp("192.0.2.1", 4444)))
    net.run(0.1)
    update = bob.requests("UPDATE")[0]
    bob.say(bob.reply(update, 200, body=MOVED_TEXT), alice)
    net.run(0.1)
    assert port_of(alice.last(RemoteAnswer).description) == 5002


def test_an_early_dialog_that_the_caller_has_forgotten_is_refused_and_not_byed() -> None:
    net, alice, bob, _ = reliable_early()
    alice.command(alice.session, MakeOffer(description=sdp("192.0.2.1", 4444)))
    net.run(0.1)
    bob.say(bob.reply(bob.requests("UPDATE")[0], 481), alice)
    net.run(0.1)
    assert (bob.responses()[-1].cseq.method, bob.responses()[-1].status) == ("INVITE", 480)
    assert not bob.requests("BYE")
    assert (alice.last(Ended).cause, alice.last(Ended).status) == (Cause.NO_RESPONSE, 481)


def test_an_offer_in_the_prack_is_answered_in_its_2xx_and_may_be_refused() -> None:
    net, alice, bob, _ = called(Supported="100rel")
    alice.command(alice.session, Ring(status=183, description=ANSWER))
    net.run(0.1)
    progress = bob.responses(183)[0]
    bob.say(bob.inside(progress, "PRACK", 2, RAck=f"{progress.rseq} 1 INVITE", body=MOVED_TEXT), alice)
    net.run(0.1)
    assert port_of(alice.last(RemoteOffer).description) == 5002
    alice.command(alice.session, Accept(description=ANSWER))
    alice.command(alice.session, RefuseOffer())
    net.run(0.1)
    assert bob.statuses("PRACK") == [488]
    assert bob.statuses("INVITE")[-1] == 200


def test_an_update_with_an_offer_before_ours_was_answered_is_500() -> None:
    net, alice, bob, _ = called()
    alice.command(alice.session, Ring())
    net.run(0.1)
    bob.say(bob.inside(bob.responses(180)[0], "UPDATE", 2, body=MOVED_TEXT), alice)
    net.run(0.1)
    assert bob.statuses("UPDATE") == [500]


def test_a_second_invite_before_the_first_is_answered_is_500() -> None:
    net, alice, bob, _ = called()
    alice.command(alice.session, Ring())
    net.run(0.1)
    bob.say(bob.inside(bob.responses(180)[0], "INVITE", 2, body=MOVED_TEXT), alice)
    net.run(0.1)
    assert (bob.statuses("INVITE")[-1], bob.responses(500)[0].retry_after is not None) == (500, True)


# Session timers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "agreed", "require"),
    [
        ({"Session_Expires": "300;refresher=uas", "Supported": "timer"}, "300;refresher=uas", ()),
        ({"Session_Expires": "300", "Supported": "timer"}, "300;refresher=uac", ("timer",)),
        ({"Session_Expires": "300"}, "300;refresher=uas", ()),
        ({"Session_Expires": "7200", "Supported": "timer"}, "1800;refresher=uac", ("timer",)),
        ({"Session_Expires": "7200", "Min_SE": "3600", "Supported": "timer"}, "3600;refresher=uac", ("timer",)),
        ({"Supported": "timer"}, "1800;refresher=uac", ("timer",)),
        ({}, "1800;refresher=uas", ()),
    ],
)
def test_the_refresher_is_negotiated(more: dict[str, str], agreed: str, require: tuple[str, ...]) -> None:
    net, alice, bob, _ = called(**more)
    alice.command(alice.session, Accept(description=ANSWER))
    net.run(0.1)
    accepted = bob.responses(200)[0]
    assert (accepted.headers.get("Session-Expires"), accepted.require) == (agreed, require)


def test_glare_waits_less_for_the_callee() -> None:
    net, alice, bob, _ = called()
    alice.command(alice.session, Accept(description=ANSWER))
    net.run(0.1)
    bob.say(bob.inside(bob.responses(200)[0], "ACK", 1), alice)
    net.run(0.1)
    alice.command(alice.session, MakeOffer(description=sdp("192.0.2.1", 4444)))
    net.run(0.1)
    bob.say(bob.reply(bob.requests("INVITE")[0], 491, tag="x"), alice)
    net.run(2.2)
    assert len({request.cseq.number for request in bob.requests("INVITE")}) == 2


def test_a_reinvite_that_overtakes_the_ack_stands_for_it() -> None:
    net, alice, bob, _ = called()
    alice.command(alice.session, Accept(description=ANSWER))
    net.run(0.1)
    bob.say(bob.inside(bob.responses(200)[0], "INVITE", 2, body=MOVED_TEXT), alice)
    net.run(0.1)
    assert len(alice.told(Confirmed)) == 1
    assert port_of(alice.last(RemoteOffer).description) == 5002
    bob.say(bob.inside(bob.responses(200)[0], "ACK", 1), alice)
    net.run(0.1)
    assert len(alice.told(Confirmed)) == 1


def test_a_reinvite_before_the_answer_in_the_ack_is_491() -> None:
    net, alice, bob, _ = called(body="")
    alice.command(alice.session, Accept(description=OFFER))
    net.run(0.1)
    bob.say(bob.inside(bob.responses(200)[0], "INVITE", 2, body=MOVED_TEXT), alice)
    net.run(0.1)
    assert bob.responses(491)
    assert not alice.told(Confirmed)


def test_requests_to_a_trunk_go_where_its_contact_says() -> None:
    net, alice, bob, _ = called(Contact="<sip:gw@192.0.2.77:5080>")
    gateway = Script(net, ("192.0.2.77", 5080))
    alice.command(alice.session, Accept(description=ANSWER))
    net.run(0.1)
    gateway.say(bob.inside(bob.responses(200)[0], "ACK", 1), alice)
    net.run(0.1)
    assert alice.told(Confirmed)
    alice.command(alice.session, Hangup())
    net.run(0.1)
    assert len(gateway.requests("BYE")) == 1


def test_a_contact_behind_a_nat_is_reached_where_it_came_from() -> None:
    net, alice, bob, _ = called(Contact="<sip:gw@10.1.2.3:5080>")
    alice.command(alice.session, Accept(description=ANSWER))
    net.run(0.1)
    bob.say(bob.inside(bob.responses(200)[0], "ACK", 1), alice)
    alice.command(alice.session, Hangup())
    net.run(0.1)
    assert str(bob.requests("BYE")[0].uri) == "sip:gw@10.1.2.3:5080"
