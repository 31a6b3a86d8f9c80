"""Offer and answer in all the places where telephones put them, early media, and sessions that are kept alive."""

from __future__ import annotations

from softswitch.events import LegEnded, LegHeld
from softswitch.media.engine import Codec
from softswitch.sip.settings import SipSettings
from tests.sim.office import BACKUP, DOMAIN, SWITCH, VirtualOffice
from tests.sim.phone import Phone


def talk(office: VirtualOffice, **options: object) -> tuple[Phone, Phone]:
    anna, boris = office.phone("101"), office.phone("102", **options)
    anna.call("102")
    office.run(3)
    assert anna.talking
    assert boris.talking
    return anna, boris


def brief(seconds: int) -> VirtualOffice:
    """An office whose sessions expire soon (RFC 4028 allows 90 s at least)."""
    return VirtualOffice(sip=SipSettings(domain=DOMAIN, advertised=lambda _: SWITCH, session_expires=seconds))


# Reliable provisional responses ---------------------------------------------------------------------------------------


def test_a_reliable_ringing_of_the_callee_is_acknowledged_once():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", reliable=True, early_media=True, answer=3.0)
    # Our INVITE says that we support 100rel, so the telephone rings reliably.
    anna.call("102")
    office.run(2)
    assert boris.count("PRACK") == 1
    assert boris.last("PRACK", request=True)["rack"].startswith("7 ")
    office.run(3)
    assert anna.talking


def test_a_lost_prack_is_made_up_for():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", reliable=True, early_media=True, answer=5.0)
    office.network.lose_next(b"PRACK")
    anna.call("102")
    office.run(4)
    assert boris.count("PRACK") >= 1
    office.run(4)
    assert anna.talking


def test_a_caller_that_supports_100rel_gets_early_media_reliably():
    office = VirtualOffice()
    anna = office.phone("101", reliable=True)
    office.provider(early_media=True, answer=3.0)
    anna.call("+79161234567")
    office.run(2)
    early = [m for m in anna.inbox if m.status == 183]
    assert len(early) == 1
    assert early[0]["require"] == "100rel"
    assert anna.last("PRACK").status == 200
    office.run(3)
    assert anna.talking
    assert anna.last("INVITE").body == b""  # the answer was given already


def test_a_caller_that_never_sends_prack_is_given_up():
    # RFC 3262 section 3: no PRACK within 64*T1 = 32 s, the INVITE is answered with a 5xx.
    office = VirtualOffice()
    anna = office.phone("101", headers=("Require: 100rel",))
    anna._prack = lambda message: None  # type: ignore[method-assign]
    office.phone("102", answer=None)
    anna.call("102")
    office.run(40)
    assert anna.status == 504
    office.run(40)
    assert office.settled()
    assert office.forgotten


# UPDATE and re-INVITE -------------------------------------------------------------------------------------------------


def test_a_codec_is_changed_by_a_reinvite_and_the_other_side_does_not_notice():
    office = VirtualOffice()
    anna, boris = talk(office)
    invites = boris.count("INVITE")
    anna.codecs = ("PCMA",)
    anna.resume()
    office.run(1)
    first, second = office.engine.open_ports.values()
    assert (first.codec, second.codec) == (Codec.PCMA, Codec.PCMU)
    assert boris.count("INVITE") == invites


def test_a_reinvite_without_a_description_is_answered_with_our_offer():
    office = VirtualOffice()
    anna, _ = talk(office)
    anna._in_dialog("INVITE")
    anna.late_offer = True
    office.run(2)
    answer = anna.last("INVITE")
    assert answer.status == 200
    assert b"m=audio" in answer.body
    assert anna.talking


def test_an_update_that_only_refreshes_changes_nothing():
    office = VirtualOffice()
    anna, _ = talk(office)
    before = dict(office.engine.rows)
    anna._in_dialog("UPDATE", extra=["Supported: timer", "Session-Expires: 1800;refresher=uac"])
    office.run(1)
    assert anna.last("UPDATE").status == 200
    assert "refresher=uac" in anna.last("UPDATE")["session-expires"]
    assert office.engine.rows == before


def test_a_reinvite_that_is_repeated_is_answered_once():
    office = VirtualOffice()
    anna, _ = talk(office)
    office.network.lose_next(b"SIP/2.0 200")
    anna.hold()
    office.run(3)
    assert len(office.told(LegHeld)) == 1
    assert anna.last("INVITE").status == 200


# Late offer -----------------------------------------------------------------------------------------------------------


def test_a_late_offer_of_a_trunk_is_answered_with_ours():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(late_offer=True)
    provider.call("+74951234567")
    office.run(4)
    assert anna.talking
    assert provider.talking
    assert [session.remote for session in office.engine.open_ports.values()] == [provider.rtp, anna.rtp]


def test_a_late_offer_that_is_never_answered_ends_the_call():
    office = VirtualOffice()
    anna, boris = office.phone("101", late_offer=True), office.phone("102")
    anna._take_sdp = lambda body: None  # type: ignore[method-assign]
    anna._sdp = lambda **_: None  # type: ignore[method-assign, assignment, return-value]
    anna.call("102")
    office.run(40)
    assert boris.idle
    assert ("protocol error", 0) in office.causes
    assert office.settled()


# Early media and forks ------------------------------------------------------------------------------------------------


def test_early_media_of_one_fork_gives_way_to_the_fork_that_answers():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(early_media=True, answer=None)
    anna.call("+79161234567")
    office.run(2)
    assert provider.dialog
    early = list(office.engine.open_ports.values())[1].remote
    assert early == provider.rtp
    # The same call answered elsewhere: another To tag, another address of media.
    provider.dialog.local = provider.dialog.local.replace(";tag=", ";tag=elsewhere")
    provider.rtp = (provider.host, 4444)
    provider.pick_up()
    office.run(2)
    assert anna.talking
    assert list(office.engine.open_ports.values())[1].remote == (provider.host, 4444)
    first, second = office.engine.rows
    assert office.engine.rows == {first: {second: 1.0}, second: {first: 1.0}}


def test_a_second_answer_of_a_forking_trunk_is_taken_and_hung_up():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(forks=True)
    anna.call("+79161234567")
    office.run(4)
    assert anna.talking
    assert provider.talking
    assert provider.count("ACK") == 2
    byes = [m for m in provider.inbox if m.request == "BYE"]
    assert len(byes) == 1
    assert byes[0].tag("to").startswith("other")
    anna.hang_up()
    office.run(40)
    assert office.results == ["answered"]
    assert office.settled()


def test_the_caller_no_longer_hears_a_trunk_that_failed_after_its_early_media():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(early_media=True, answer=None)
    backup = office.provider(host=BACKUP, early_media=True, answer=2.0)
    anna.call("+79161234567")
    office.run(2)
    provider.refuse_now(503)
    office.run(1)
    first, second = office.engine.rows
    assert office.engine.open_ports[second].remote == backup.rtp
    assert office.engine.rows[first] == {second: 1.0}
    office.run(3)
    assert anna.talking
    assert backup.talking


def test_who_has_heard_a_trunk_that_failed_hears_ringing_where_the_next_one_sends_no_sound():
    office = VirtualOffice(sound=True)
    anna, provider = office.phone("101"), office.provider(early_media=True, answer=None, tone=880)
    backup = office.provider(host=BACKUP, answer=None, tone=440)
    anna.call("+79161234567")
    office.run(2)
    provider.refuse_now(503)
    office.run(0.5)
    assert backup.ringing
    (ringback,) = office.office.tones.ringback.frequencies
    assert anna.hears(ringback) > -30.0
    assert anna.hears(880.0) < -60.0
    backup.pick_up()
    office.run(6)
    assert anna.hears(440.0) > -20.0
    assert anna.hears(ringback) < -40.0
    anna.hang_up()
    office.run(6)
    assert office.settled()


def test_early_media_goes_on_though_the_trunk_says_afterwards_that_it_rings():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(early_media=True, answer=3.0)
    anna.call("+79161234567")
    office.run(1)
    assert provider.dialog
    provider._respond(provider.dialog.invite, 180)
    office.run(1)
    first, second = office.engine.rows
    assert office.engine.rows[first] == {second: 1.0}
    assert not office.engine.players


def test_a_caller_may_hold_before_the_answer():
    office = VirtualOffice()
    anna = office.phone("101", reliable=True)
    office.provider(early_media=True, answer=5.0)
    anna.call("+79161234567")
    office.run(2)
    assert anna.dialog
    tagged = next(m for m in anna.inbox if m.status == 183)
    anna.dialog.remote, anna.dialog.target = tagged["to"], tagged.uri("contact")
    anna.hold(how="UPDATE")
    office.run(1)
    first, second = office.engine.rows
    assert office.engine.rows[first] == {}
    office.run(4)
    assert anna.talking
    assert office.engine.rows[first] == {}
    (music,) = office.engine.players
    assert office.engine.rows[second] == {music: 1.0}


# Session timers -------------------------------------------------------------------------------------------------------


def test_too_short_a_session_is_refused_with_the_shortest_allowed():
    office = VirtualOffice()
    anna = office.phone("101", headers=("Supported: timer", "Session-Expires: 30"))
    office.phone("102")
    anna.call("102")
    office.run(3)
    assert anna.status == 422
    assert anna.last("INVITE")["min-se"] == "90"


def test_our_interval_is_raised_to_what_the_callee_asks():
    office = brief(90)
    anna, boris = office.phone("101"), office.phone("102", min_se=600)
    anna.call("102")
    office.run(3)
    assert anna.talking
    asked = [m["session-expires"] for m in boris.inbox if m.request == "INVITE"]
    assert asked == ["90", "600"]


def test_we_refresh_a_session_whose_peer_knows_no_timers():
    office = brief(90)
    _, boris = talk(office)
    before = boris.count("INVITE")
    office.run(100)
    assert boris.count("INVITE") >= before + 2  # each 45 s
    assert boris.talking


def test_a_refresh_that_meets_glare_is_tried_again():
    # RFC 3261 section 14.1: after 2.1 to 4 s, since the Call-ID towards the callee is ours.
    office = brief(90)
    _, boris = talk(office)
    boris.glares = 1
    office.run(44)
    refused = boris.count("INVITE")
    office.run(5)
    assert boris.count("INVITE") == refused + 1
    assert boris.talking


def test_a_hold_that_crosses_our_refresh_is_told_to_wait():
    office = brief(90)
    _, boris = talk(office)
    before = boris.count("INVITE")
    # Our re-INVITE leaves 45 s after the answer; the telephone sends its own before it has seen ours.
    office.run_until(lambda: any(line.startswith("< INVITE sip:102") for _, line in office.trace[-2:]), 60)
    boris.hold()
    office.run(1)
    assert boris.count("INVITE") == before + 1
    assert 491 in [m.status for m in boris.inbox if m.method == "INVITE"]
    boris.hold()
    office.run(1)
    assert len(office.told(LegHeld)) == 1


def test_a_peer_that_promised_to_refresh_and_does_not_is_ended():
    # RFC 4028 section 10: at the interval less min(32, a third of it): 90 - 30 = 60 s.
    office = brief(90)
    anna, boris = talk(office, accepts_with=("Supported: timer", "Require: timer", "Session-Expires: 90;refresher=uas"))
    office.run(55)
    assert anna.talking
    office.run(10)
    assert boris.idle
    assert anna.idle
    assert "cause=408" in boris.reason
    assert [e.cause for e in office.told(LegEnded)] == ["session expired", "local"]  # type: ignore[attr-defined]


def test_a_peer_that_refreshes_keeps_the_session():
    office = brief(90)
    _, boris = talk(office, accepts_with=("Supported: timer", "Require: timer", "Session-Expires: 90;refresher=uas"))
    for _ in range(4):
        office.run(45)
        boris._in_dialog("UPDATE", extra=["Supported: timer", "Session-Expires: 90;refresher=uac"])
    office.run(45)
    assert boris.talking
