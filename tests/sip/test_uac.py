"""The calling half against a scripted peer: forks, early media, 100rel, challenges, races."""

from __future__ import annotations

import gc

import pytest

from softswitch.sip.auth import DigestClient
from softswitch.sip.events import (
    Answered,
    AnswerOffer,
    Cause,
    Destination,
    Ended,
    Hangup,
    MakeOffer,
    OfferFailed,
    Progress,
    PutOnWire,
    Reason,
    RefuseOffer,
    RemoteAnswer,
    RemoteOffer,
)
from softswitch.sip.message import Request, Response
from tests.sip.network import BOB, OFFER, Network, Script, Switch, port_of, scripted, sdp, uri

ANSWER_TEXT = str(sdp("192.0.2.2", 5000))
FORK_TEXT = str(sdp("192.0.2.2", 6000))


def test_the_invite_says_who_we_are_and_what_we_can() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER, asserted=("Alice", uri("sip:+74951234567@office.example")))
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    headers = dict(invite.headers.items())
    assert headers["Allow"] == "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, UPDATE, PRACK, INFO"
    assert headers["Supported"] == "100rel, timer, path"
    assert (headers["Session-Expires"], headers["Min-SE"]) == ("1800", "90")
    assert headers["User-Agent"] == "softswitch"
    assert headers["P-Asserted-Identity"] == '"Alice" <sip:+74951234567@office.example>'
    assert headers["From"].startswith('"Alice" <sip:alice@office.example>;tag=')
    assert headers["To"] == "<sip:bob@office.example>"
    assert headers["Content-Type"] == "application/sdp"


def test_a_private_caller_is_anonymous_but_to_those_whom_we_trust() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER, privacy=True, asserted=("Alice", uri("sip:101@office.example")))
    alice.call(bob, OFFER, privacy=True)
    net.run(0.1)
    trusted, other = bob.requests("INVITE")
    assert str(trusted.from_.uri) == str(other.from_.uri) == "sip:anonymous@anonymous.invalid"
    assert trusted.headers.get("Privacy") == other.headers.get("Privacy") == "id"
    assert "sip:101@" in (trusted.headers.get("P-Asserted-Identity") or "")
    assert "101" not in str(list(other.headers.items()))
    assert "alice" not in str([value for name, value in other.headers.items()]).lower()


def test_headers_in_a_contact_never_become_ours() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER, target=uri("sip:bob@192.0.2.2;method=BYE;x=1?Route=%3Csip:evil%3E&Subject=hi"))
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    assert str(invite.uri) == "sip:bob@192.0.2.2;x=1"
    assert "Route" not in invite.headers
    assert "Subject" not in invite.headers


def test_unreliable_early_media_is_a_preview_of_the_answer() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    bob.say(bob.reply(invite, 183, body=ANSWER_TEXT), alice)
    net.run(0.1)
    assert (alice.last(Progress).status, port_of(alice.last(Progress).description)) == (183, 5000)
    bob.say(bob.reply(invite, 200), alice)
    net.run(0.1)
    # The 2xx has no body: the preview stands for it.
    assert port_of(alice.last(Answered).description) == 5000


def test_an_answer_without_any_description_is_a_protocol_error() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    bob.say(bob.reply(bob.requests("INVITE")[0], 200), alice)
    net.run(0.1)
    assert alice.last(Ended).cause is Cause.PROTOCOL
    assert [m.method for m in bob.heard if isinstance(m, Request)] == ["INVITE", "ACK", "BYE"]


def test_a_reliable_response_is_acknowledged_once_and_in_order() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    first = bob.reply(invite, 183, body=ANSWER_TEXT, Require="100rel", RSeq="7")
    third = bob.reply(invite, 180, Require="100rel", RSeq="9")
    for response in (first, first, third):
        bob.say(response, alice)
    net.run(0.1)
    pracks = bob.requests("PRACK")
    assert [prack.headers.get("RAck") for prack in pracks] == [f"7 {invite.cseq}"]
    assert [event.status for event in alice.told(Progress)] == [183]
    bob.say(bob.reply(pracks[0], 200), alice)
    bob.say(bob.reply(invite, 180, Require="100rel", RSeq="8"), alice)
    net.run(0.1)
    assert bob.requests("PRACK")[-1].headers.get("RAck") == f"8 {invite.cseq}"


def test_a_reliable_answer_is_final_and_that_in_the_2xx_is_ignored() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    bob.say(bob.reply(invite, 183, body=ANSWER_TEXT, Require="100rel", RSeq="1"), alice)
    net.run(0.1)
    bob.say(bob.reply(bob.requests("PRACK")[0], 200), alice)
    bob.say(bob.reply(invite, 200, body=FORK_TEXT), alice)
    net.run(0.1)
    assert port_of(alice.last(Answered).description) == 5000


def test_a_reliable_offer_to_an_invite_without_one_is_answered_in_the_prack() -> None:
    net, alice, bob = scripted()
    caller = alice.call(bob, None)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    assert not invite.body
    bob.say(bob.reply(invite, 183, body=ANSWER_TEXT, Require="100rel", RSeq="1"), alice)
    net.run(0.1)
    assert port_of(alice.last(RemoteOffer).description) == 5000
    assert not bob.requests("PRACK")
    alice.command(caller, AnswerOffer(description=OFFER))
    net.run(0.1)
    prack = bob.requests("PRACK")[0]
    assert b"m=audio 4000" in prack.body
    bob.say(bob.reply(prack, 200), alice)
    bob.say(bob.reply(invite, 200), alice)
    net.run(0.1)
    answered = alice.last(Answered)
    assert (port_of(answered.description), answered.offered) == (5000, False)


def test_an_update_before_the_answer_changes_the_session() -> None:
    net, alice, bob = scripted()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    bob.say(bob.reply(invite, 183, body=ANSWER_TEXT, Require="100rel", RSeq="1", Allow="INVITE, UPDATE, PRACK"), alice)
    net.run(0.1)
    bob.say(bob.reply(bob.requests("PRACK")[0], 200), alice)
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    update = bob.requests("UPDATE")[0]
    assert b"m=audio 4002" in update.body
    bob.say(bob.reply(update, 200, body=FORK_TEXT), alice)
    net.run(0.1)
    assert port_of(alice.last(RemoteAnswer).description) == 6000

    bob.say(bob.back(invite, "UPDATE", 1, "bob", body=ANSWER_TEXT), alice)
    net.run(0.1)
    assert port_of(alice.last(RemoteOffer).description) == 5000
    alice.command(caller, AnswerOffer(description=OFFER))
    net.run(0.1)
    assert bob.responses(200)[-1].cseq.method == "UPDATE"


def test_an_offer_that_the_early_dialog_cannot_carry_waits_for_the_answer() -> None:
    net, alice, bob = scripted()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    bob.say(bob.reply(invite, 180), alice)
    net.run(0.1)
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    assert len(bob.requests("INVITE")) == 1
    bob.say(bob.reply(invite, 200, body=ANSWER_TEXT), alice)
    net.run(0.1)
    assert b"m=audio 4002" in bob.requests("INVITE")[1].body


# Forks ----------------------------------------------------------------------------------------------------------------


def test_the_second_2xx_of_a_fork_is_acknowledged_and_hung_up() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    bob.say(bob.reply(invite, 180, tag="desk"), alice)
    bob.say(bob.reply(invite, 180, tag="mobile"), alice)
    bob.say(bob.reply(invite, 200, tag="mobile", body=ANSWER_TEXT), alice)
    bob.say(bob.reply(invite, 200, tag="desk", body=FORK_TEXT), alice)
    net.run(0.1)
    sent = [(m.method, m.to.tag) for m in bob.heard if isinstance(m, Request)][1:]
    assert sent == [("ACK", "mobile"), ("ACK", "desk"), ("BYE", "desk")]
    assert [port_of(event.description) for event in alice.told(Answered)] == [5000]
    assert not alice.told(Ended)


def test_each_fork_may_answer_reliably_with_its_own_description() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    bob.say(bob.reply(invite, 183, tag="desk", body=ANSWER_TEXT, Require="100rel", RSeq="1"), alice)
    bob.say(bob.reply(invite, 183, tag="mobile", body=FORK_TEXT, Require="100rel", RSeq="1"), alice)
    net.run(0.1)
    assert [(m.to.tag, m.headers.get("RAck")) for m in bob.requests("PRACK")] == [
        ("desk", f"1 {invite.cseq}"),
        ("mobile", f"1 {invite.cseq}"),
    ]
    bob.say(bob.reply(invite, 200, tag="desk"), alice)
    net.run(0.1)
    assert port_of(alice.last(Answered).description) == 5000


def test_a_repeated_2xx_is_acknowledged_by_the_same_ack() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    accepted = bob.reply(bob.requests("INVITE")[0], 200, body=ANSWER_TEXT)
    for _ in range(3):
        bob.say(accepted, alice)
        net.run(0.5)
    acks = bob.requests("ACK")
    assert len(acks) == 3
    assert len({ack.encode() for ack in acks}) == 1
    assert len(alice.told(Answered)) == 1


def test_a_2xx_that_outlives_its_transaction_is_still_acknowledged() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    accepted = bob.reply(bob.requests("INVITE")[0], 200, body=ANSWER_TEXT)
    bob.say(accepted, alice)
    net.run(40)
    bob.say(accepted, alice)
    net.run(0.1)
    assert len(bob.requests("ACK")) == 2


def test_a_fork_bomb_opens_a_bounded_number_of_dialogs() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    for number in range(100):
        bob.say(bob.reply(invite, 180, tag=f"fork{number}"), alice)
    net.run(0.1)
    line = next(line for line in alice.endpoint.describe() if " caller " in line)
    assert line.count("fork") == 32


# CANCEL ---------------------------------------------------------------------------------------------------------------


def test_cancel_waits_for_a_provisional_response() -> None:
    net, alice, bob = scripted()
    caller = alice.call(bob, OFFER)
    alice.command(caller, Hangup(reason=Reason(protocol="SIP", cause=200, text="Call completed elsewhere")))
    net.run(0.1)
    assert alice.causes == ["local"]
    assert not bob.requests("CANCEL")
    bob.say(bob.reply(bob.requests("INVITE")[0], 180), alice)
    net.run(0.1)
    cancel = bob.requests("CANCEL")[0]
    assert cancel.headers.get("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    assert cancel.via.branch == bob.requests("INVITE")[0].via.branch
    assert cancel.cseq.number == bob.requests("INVITE")[0].cseq.number


def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() -> None:
    net, alice, bob = scripted()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    bob.say(bob.reply(invite, 180), alice)
    net.run(0.1)
    bob.say(bob.reply(invite, 200, body=ANSWER_TEXT), alice)
    alice.command(caller, Hangup())
    net.run(0.1)
    assert [m.method for m in bob.heard if isinstance(m, Request)] == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert not alice.told(Answered)
    assert alice.causes == ["local"]


def test_a_cancelled_invite_without_final_response_is_forgotten_after_64_t1() -> None:
    net, alice, bob = scripted()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    bob.say(bob.reply(bob.requests("INVITE")[0], 180), alice)
    net.run(0.1)
    alice.command(caller, Hangup())
    net.run(66)
    assert (len(alice.endpoint), alice.deadline) == (0, None)


# Challenges and intervals ---------------------------------------------------------------------------------------------


def challenged(status: int = 407) -> tuple[Network, Switch, Script]:
    net, alice, bob = scripted()
    alice.rights.accounts["provider"] = DigestClient("74951234567", password="secret", realm="provider.example")
    header = "Proxy_Authenticate" if status == 407 else "WWW_Authenticate"
    challenge = 'Digest realm="provider.example", nonce="n1", qop="auth", algorithm=MD5'

    def answer(message: Request | Response) -> Response | None:
        if not isinstance(message, Request) or message.method == "ACK":
            return None
        if "Authorization" in message.headers or "Proxy-Authorization" in message.headers:
            return bob.reply(message, 200, body=ANSWER_TEXT if message.method == "INVITE" else "")
        return bob.reply(message, status, **{header: challenge})

    bob.answering = answer
    return net, alice, bob


@pytest.mark.parametrize("status", [401, 407])
def test_a_trunk_s_challenge_is_answered_with_its_account(status: int) -> None:
    net, alice, bob = challenged(status)
    caller = alice.call(bob, OFFER, account="provider")
    net.run(0.1)
    first, second = bob.requests("INVITE")
    assert (second.call_id, second.from_.tag) == (first.call_id, first.from_.tag)
    assert second.cseq.number == first.cseq.number + 1
    assert second.body == first.body
    assert alice.told(Answered)
    alice.command(caller, Hangup())
    net.run(0.1)
    assert ["Digest" in str(list(bye.headers.items())) for bye in bob.requests("BYE")] == [False, True]


def test_nobody_else_gets_credentials() -> None:
    net, alice, bob = challenged()
    alice.call(bob, OFFER)
    net.run(0.1)
    assert len(bob.requests("INVITE")) == 1
    assert (alice.last(Ended).cause, alice.last(Ended).status) == (Cause.REJECTED, 407)


def test_a_challenge_for_a_foreign_realm_is_not_answered() -> None:
    net, alice, bob = challenged()
    alice.rights.accounts["provider"] = DigestClient("7495", password="secret", realm="elsewhere.example")
    alice.call(bob, OFFER, account="provider")
    net.run(0.1)
    assert len(bob.requests("INVITE")) == 1
    assert alice.last(Ended).status == 407


def test_a_nonce_that_keeps_changing_ends_after_two_tries() -> None:
    net, alice, bob = challenged()
    nonces = iter(range(100))
    bob.answering = lambda m: (
        bob.reply(
            m,
            407,
            Proxy_Authenticate=f'Digest realm="provider.example", nonce="{next(nonces)}", qop="auth", stale=true',
        )
        if isinstance(m, Request) and m.method == "INVITE"
        else None
    )
    alice.call(bob, OFFER, account="provider")
    net.run(1)
    assert len(bob.requests("INVITE")) == 3
    assert alice.last(Ended).status == 407


def test_a_422_is_answered_with_the_longer_interval() -> None:
    net, alice, bob = scripted(session_expires=90)
    alice.call(bob, OFFER)
    net.run(0.1)
    bob.say(bob.reply(bob.requests("INVITE")[0], 422, Min_SE="600"), alice)
    net.run(0.1)
    again = bob.requests("INVITE")[1]
    assert (again.session_expires, again.min_se) == (600, 600)
    bob.say(bob.reply(again, 422, Min_SE="600"), alice)
    net.run(0.1)
    assert alice.last(Ended).status == 422


# In the dialog --------------------------------------------------------------------------------------------------------


def up(allow: str = "INVITE, ACK, BYE, CANCEL", **more: str) -> tuple[Network, Switch, Script, str, Request]:
    net, alice, bob = scripted()
    caller = alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    bob.say(bob.reply(invite, 200, body=ANSWER_TEXT, Allow=allow, **more), alice)
    net.run(0.1)
    bob.heard.clear()
    return net, alice, bob, caller, invite


@pytest.mark.parametrize("status", [408, 481])
def test_408_and_481_inside_the_dialog_end_it(status: int) -> None:
    net, alice, bob, caller, _ = up()
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    bob.say(bob.reply(bob.requests("INVITE")[0], status), alice)
    net.run(0.1)
    assert (alice.last(Ended).cause, alice.last(Ended).status) == (Cause.NO_RESPONSE, status)
    assert len(bob.requests("BYE")) == 1


def test_the_ack_of_a_reinvite_is_sent_again_for_32_seconds_and_then_forgotten() -> None:
    net, alice, bob, caller, _ = up()

    def kept() -> int:
        return sum(isinstance(one, PutOnWire) and one.data.startswith(b"ACK") for one in gc.get_objects())

    before = kept()
    for turn in range(6):
        alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002 + 2 * turn)))
        net.run(0.1)
        accepted = bob.reply(bob.requests("INVITE")[-1], 200, body=ANSWER_TEXT)
        bob.say(accepted, alice)
        net.run(20)
        bob.say(accepted, alice)
        net.run(0.1)
        assert len(bob.requests("ACK")) == 2 * (turn + 1)
        net.run(20)
    assert kept() - before <= 1


def test_an_unanswered_reinvite_ends_the_dialog() -> None:
    net, alice, _, caller, _ = up()
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(33)
    assert (alice.last(Ended).cause, alice.last(Ended).status) == (Cause.NO_RESPONSE, 408)


def test_500_with_retry_after_is_tried_again_then() -> None:
    net, alice, bob, caller, _ = up()
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    bob.say(bob.reply(bob.requests("INVITE")[0], 500, Retry_After="3"), alice)
    net.run(2.5)
    assert len(bob.requests("INVITE")) == 1
    net.run(1)
    assert len(bob.requests("INVITE")) == 2
    assert not alice.told(OfferFailed)


def test_a_peer_that_always_pleads_glare_is_given_up() -> None:
    net, alice, bob, caller, _ = up()
    bob.answering = lambda m: bob.reply(m, 491) if isinstance(m, Request) and m.method == "INVITE" else None
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(60)
    assert len(bob.requests("INVITE")) == 4
    assert alice.last(OfferFailed).status == 491
    assert not alice.told(Ended)


def test_the_target_follows_the_contact_of_a_reinvite() -> None:
    net, alice, bob, caller, invite = up()
    bob.say(bob.back(invite, "INVITE", 1, "bob", body=FORK_TEXT, Contact="<sip:moved@192.0.2.2:5060>"), alice)
    net.run(0.1)
    alice.command(caller, AnswerOffer(description=OFFER))
    net.run(0.1)
    bob.say(bob.back(invite, "ACK", 1, "bob", branch="a"), alice)
    net.run(0.1)
    alice.command(caller, Hangup())
    net.run(0.1)
    assert str(bob.requests("BYE")[0].uri) == "sip:moved@192.0.2.2:5060"


def test_the_route_of_the_2xx_is_followed_in_reverse() -> None:
    net, alice, bob, caller, _ = up(Record_Route="<sip:p2.example;lr>, <sip:192.0.2.2;lr>")
    alice.command(caller, Hangup())
    net.run(0.1)
    bye = bob.requests("BYE")[0]
    assert [str(route) for route in bye.routes] == ["<sip:192.0.2.2;lr>", "<sip:p2.example;lr>"]
    assert str(bye.uri) == "sip:bob@192.0.2.2:5060"


def test_a_strict_router_gets_its_own_uri_in_the_request_line() -> None:
    net, alice, bob, caller, _ = up(Record_Route="<sip:192.0.2.2>")
    alice.command(caller, Hangup())
    net.run(0.1)
    bye = bob.requests("BYE")[0]
    assert str(bye.uri) == "sip:192.0.2.2"
    assert [str(route) for route in bye.routes] == ["<sip:bob@192.0.2.2:5060>"]


def test_a_request_out_of_order_is_500() -> None:
    net, alice, bob, _, invite = up()
    bob.say(bob.back(invite, "OPTIONS", 5, "bob"), alice)
    bob.say(bob.back(invite, "OPTIONS", 4, "bob"), alice)
    net.run(0.1)
    assert bob.statuses() == [200, 500]


def test_a_reinvite_without_offer_asks_us_for_one() -> None:
    net, alice, bob, caller, invite = up()
    bob.say(bob.back(invite, "INVITE", 1, "bob"), alice)
    net.run(0.1)
    assert alice.last(RemoteOffer).description is None
    alice.command(caller, AnswerOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    assert b"m=audio 4002" in bob.responses(200)[0].body
    bob.say(bob.back(invite, "ACK", 1, "bob", branch="a", body=FORK_TEXT), alice)
    net.run(0.1)
    assert port_of(alice.last(RemoteAnswer).description) == 6000


def test_a_reinvite_whose_ack_lacks_the_answer_fails_and_the_call_goes_on() -> None:
    net, alice, bob, caller, invite = up()
    bob.say(bob.back(invite, "INVITE", 1, "bob"), alice)
    net.run(0.1)
    alice.command(caller, AnswerOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    bob.say(bob.back(invite, "ACK", 1, "bob", branch="a"), alice)
    net.run(5)
    assert alice.last(OfferFailed).status == 488
    assert not alice.told(Ended)
    assert len(bob.responses(200)) == 1


def test_the_same_description_again_is_answered_by_the_session_itself() -> None:
    net, alice, bob, _, invite = up()
    bob.say(bob.back(invite, "INVITE", 1, "bob", body=ANSWER_TEXT), alice)
    net.run(0.1)
    assert not alice.told(RemoteOffer)
    assert bob.responses(200)[0].body == bytes(OFFER)


def test_a_reinvite_taken_back_is_487() -> None:
    net, alice, bob, caller, invite = up()
    offer = bob.back(invite, "INVITE", 1, "bob", body=FORK_TEXT)
    bob.say(offer, alice)
    net.run(0.1)
    bob.say(Request("CANCEL", offer.uri, _with_cseq(offer, "1 CANCEL")), alice)
    net.run(0.1)
    assert sorted(bob.statuses()) == [100, 200, 487] or sorted(bob.statuses()) == [200, 487]
    alice.command(caller, AnswerOffer(description=OFFER))
    net.run(1)
    assert not alice.told(Ended)


def _with_cseq(request: Request, cseq: str):
    headers = request.headers.copy()
    headers.set("CSeq", cseq)
    return headers


def test_an_offer_while_ours_is_open_is_491_and_while_theirs_is_open_500() -> None:
    net, alice, bob, caller, invite = up()
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    bob.say(bob.back(invite, "UPDATE", 1, "bob", body=FORK_TEXT), alice)
    net.run(0.1)
    assert bob.statuses() == [491]
    bob.say(bob.reply(bob.requests("INVITE")[0], 200, body=ANSWER_TEXT), alice)
    net.run(0.1)
    bob.say(bob.back(invite, "UPDATE", 2, "bob", body=FORK_TEXT), alice)
    bob.say(bob.back(invite, "INVITE", 3, "bob", body=FORK_TEXT), alice)
    net.run(0.1)
    assert bob.statuses() == [491, 500]
    assert 0 <= (bob.responses(500)[0].retry_after or -1) <= 10


def test_a_bye_answers_what_the_peer_still_waits_for() -> None:
    net, alice, bob, _, invite = up()
    bob.say(bob.back(invite, "INVITE", 1, "bob", body=FORK_TEXT), alice)
    net.run(0.1)
    bob.say(bob.back(invite, "BYE", 2, "bob"), alice)
    net.run(0.15)
    assert sorted((m.cseq.method, m.status) for m in bob.responses()) == [("BYE", 200), ("INVITE", 487)]
    assert alice.causes == ["hung up"]


def test_a_request_of_a_gone_dialog_is_481() -> None:
    net, alice, bob, caller, invite = up()
    alice.command(caller, Hangup())
    net.run(0.1)
    bob.say(bob.reply(bob.requests("BYE")[0], 200), alice)
    net.run(70)
    bob.heard.clear()
    bob.say(bob.back(invite, "BYE", 1, "bob"), alice)
    net.run(0.1)
    assert bob.statuses() == [481]


def test_a_session_is_refreshed_by_update_at_half_its_interval() -> None:
    net, alice, bob, _, _ = up("INVITE, BYE, UPDATE", Session_Expires="600;refresher=uac", Require="timer")
    net.run(299)
    assert not bob.heard
    net.run(1.1)
    update = bob.requests("UPDATE")[0]
    assert (update.headers.get("Session-Expires"), update.body) == ("600;refresher=uac", b"")
    bob.say(bob.reply(update, 200, Session_Expires="600;refresher=uac"), alice)
    net.run(300.1)
    assert len(bob.requests("UPDATE")) == 2


def test_a_session_is_refreshed_by_reinvite_where_update_is_unknown() -> None:
    net, alice, bob, _, _ = up(Session_Expires="600;refresher=uac", Require="timer")
    net.run(300.1)
    invite = bob.requests("INVITE")[0]
    assert invite.body == bytes(OFFER)
    bob.say(bob.reply(invite, 200, body=ANSWER_TEXT, Session_Expires="600;refresher=uac"), alice)
    net.run(1)
    assert not alice.told(RemoteAnswer)
    assert len(bob.requests("ACK")) == 1


def test_a_refresh_that_nobody_answers_ends_the_session() -> None:
    net, alice, _, _, _ = up(Session_Expires="600;refresher=uac", Require="timer")
    net.run(300 + 33)
    assert alice.last(Ended).cause is Cause.SESSION_EXPIRED


def test_a_peer_without_timers_is_refreshed_all_the_same() -> None:
    net, alice, bob, _, _ = up()
    net.run(900.1)
    bob.say(bob.reply(bob.requests("INVITE")[0], 488), alice)
    net.run(0.1)
    # It is there, which was the question.
    assert not alice.told(Ended)
    net.run(900)
    assert len(bob.requests("INVITE")) == 2


def test_a_session_that_the_peer_ought_to_refresh_expires() -> None:
    net, alice, bob, _, _ = up(Session_Expires="600;refresher=uas", Require="timer")
    # RFC 4028 section 10: min(32, 600/3) = 32 s before the expiry.
    net.run(567.5)
    assert not alice.told(Ended)
    net.run(0.5)
    assert alice.last(Ended).cause is Cause.SESSION_EXPIRED
    assert len(bob.requests("BYE")) == 1


def test_a_refresh_by_the_peer_keeps_the_session() -> None:
    net, alice, bob, _, invite = up(Session_Expires="600;refresher=uas", Require="timer")
    for cseq in (1, 2, 3):
        net.run(300)
        more = {"Session_Expires": "600;refresher=uac", "Supported": "timer"}
        bob.say(bob.back(invite, "UPDATE", cseq, "bob", **more), alice)
    net.run(0.1)
    assert bob.statuses() == [200, 200, 200]
    assert bob.responses(200)[0].headers.get("Session-Expires") == "600;refresher=uac"
    assert bob.responses(200)[0].headers.get("Require") == "timer"
    assert not alice.told(Ended)


def test_too_brief_an_interval_in_an_update_is_422() -> None:
    net, alice, bob, _, invite = up()
    bob.say(bob.back(invite, "UPDATE", 1, "bob", Session_Expires="60", Supported="timer"), alice)
    net.run(0.1)
    assert (bob.statuses(), bob.responses(422)[0].min_se) == ([422], 90)


def test_a_refresh_falls_back_to_reinvite_where_update_proves_unknown() -> None:
    net, alice, bob, _, _ = up("INVITE, BYE, UPDATE", Session_Expires="600;refresher=uac", Require="timer")
    net.run(300.1)
    bob.say(bob.reply(bob.requests("UPDATE")[0], 501), alice)
    net.run(0.1)
    assert bob.requests("INVITE")[0].body == bytes(OFFER)


def test_a_refused_refresh_is_tried_again_at_leisure_until_the_session_expires() -> None:
    net, alice, bob, _, _ = up(Session_Expires="600;refresher=uac", Require="timer")
    bob.answering = lambda m: bob.reply(m, 488) if isinstance(m, Request) and m.method == "INVITE" else None
    net.run(590)
    # Each 10 s from 300 s on.
    assert 25 <= len(bob.requests("INVITE")) <= 30
    assert not alice.told(Ended)
    net.run(11)
    assert alice.last(Ended).cause is Cause.SESSION_EXPIRED


def test_a_refresh_whose_interval_is_too_brief_is_lengthened() -> None:
    net, alice, bob, _, _ = up("INVITE, UPDATE", Session_Expires="90;refresher=uac", Require="timer")
    net.run(45.1)
    bob.say(bob.reply(bob.requests("UPDATE")[0], 422, Min_SE="300"), alice)
    net.run(0.1)
    assert bob.requests("UPDATE")[1].session_expires == 300


def test_a_challenged_reinvite_is_answered_with_the_account() -> None:
    net, alice, bob = challenged()
    caller = alice.call(bob, OFFER, account="provider")
    net.run(0.1)
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    first, second = bob.requests("INVITE")[2:]
    assert second.cseq.number == first.cseq.number + 1
    assert b"m=audio 4002" in second.body
    assert len(alice.told(RemoteAnswer)) == 1


def test_a_repeated_2xx_of_a_reinvite_is_acknowledged_again() -> None:
    net, alice, bob, caller, _ = up()
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    accepted = bob.reply(bob.requests("INVITE")[0], 200, body=ANSWER_TEXT)
    bob.say(accepted, alice)
    bob.say(accepted, alice)
    net.run(0.1)
    assert len({ack.encode() for ack in bob.requests("ACK")}) == 1
    assert len(bob.requests("ACK")) == 2
    assert len(alice.told(RemoteAnswer)) == 1


def test_a_2xx_of_a_reinvite_without_answer_fails_and_the_call_goes_on() -> None:
    net, alice, bob, caller, _ = up()
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    bob.say(bob.reply(bob.requests("INVITE")[0], 200), alice)
    net.run(0.1)
    assert alice.last(OfferFailed).status == 488
    assert not alice.told(Ended)


def test_a_reinvite_that_is_answered_after_our_bye_is_acknowledged() -> None:
    net, alice, bob, caller, _ = up()
    alice.command(caller, MakeOffer(description=sdp("192.0.2.1", 4002)))
    net.run(0.1)
    alice.command(caller, Hangup())
    bob.say(bob.reply(bob.requests("INVITE")[0], 200, body=ANSWER_TEXT), alice)
    net.run(0.1)
    assert [m.method for m in bob.heard if isinstance(m, Request)] == ["INVITE", "BYE", "ACK"]
    assert not alice.told(RemoteAnswer)


def test_a_2xx_that_its_own_bye_overtook_is_acknowledged() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    bob.say(bob.reply(invite, 180), alice)
    net.run(0.1)
    bob.say(bob.back(invite, "BYE", 1, "bob"), alice)
    bob.say(bob.reply(invite, 200, body=ANSWER_TEXT), alice)
    net.run(0.1)
    assert len(bob.requests("ACK")) == 1
    assert alice.causes == ["hung up"]


def test_a_callee_that_hangs_up_before_its_answer_arrives_is_gone() -> None:
    net, alice, bob = scripted()
    alice.call(bob, OFFER)
    net.run(0.1)
    invite = bob.requests("INVITE")[0]
    bob.say(bob.reply(invite, 180), alice)
    net.run(0.1)
    bob.say(bob.back(invite, "BYE", 1, "bob"), alice)
    net.run(0.1)
    assert alice.causes == ["hung up"]
    assert len(bob.requests("CANCEL")) == 1


def test_a_name_that_does_not_answer_by_transport_is_no_response() -> None:
    net, alice, _ = scripted()
    session, outputs = alice.endpoint.invite(_invite_to(Destination("udp", "nowhere.example", 5060)), net.now)
    assert session
    alice.carry(alice.endpoint.transport_failed(outputs[0].key, net.now))
    assert (alice.last(Ended).cause, alice.last(Ended).status) == (Cause.NO_RESPONSE, 503)


def _invite_to(to: Destination):
    from softswitch.sip.events import Invite

    return Invite(
        target=uri("sip:x@nowhere.example"),
        to=to,
        caller=("", uri("sip:a@office.example")),
        callee=("", uri("sip:b@office.example")),
        offer=OFFER,
    )


def test_a_refused_late_offer_ends_the_session() -> None:
    net, alice, bob = scripted()
    caller = alice.call(bob, None)
    net.run(0.1)
    bob.say(bob.reply(bob.requests("INVITE")[0], 200, body=ANSWER_TEXT), alice)
    net.run(0.1)
    alice.command(caller, RefuseOffer())
    net.run(0.1)
    assert [m.method for m in bob.heard if isinstance(m, Request)] == ["INVITE", "ACK", "BYE"]
    assert alice.causes == ["local"]


def test_in_dialog_requests_from_elsewhere_are_not_believed() -> None:
    net, alice, bob, _, invite = up()
    mallory = Script(net, ("203.0.113.6", 5060))
    bye = bob.back(invite, "BYE", 1, "bob")
    mallory.say(Request("BYE", bye.uri, bye.headers), alice)
    net.run(0.1)
    assert not alice.told(Ended)
    assert mallory.statuses() == [403]
    assert bob.address == BOB
