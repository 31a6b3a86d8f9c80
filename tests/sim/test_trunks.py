"""Calls from and to the outside."""

from __future__ import annotations

import pytest

from softswitch.dialplan.routes import Inbound
from softswitch.events import CallArrived, CallRouted, ConversationEnded, TrunkReachability
from tests.sim.office import BACKUP, PROVIDER, SECOND_LINE, VirtualOffice


def test_an_inbound_number_rings_its_person():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider()
    provider.call("+74951234567")
    office.run(4)
    assert anna.talking
    assert provider.talking
    assert office.told(CallArrived)[0].origin == "trunk:provider"
    assert office.told(CallRouted)[0].to == "person:101"


def test_an_inbound_number_is_understood_in_national_form():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider()
    provider.call("84951234567")
    office.run(4)
    assert anna.talking


def test_an_outbound_number_is_normalised_and_shown_right():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider()
    anna.call("8 916 123-45-67".replace(" ", "").replace("-", ""))
    office.run(4)
    assert provider.talking
    invite = next(m for m in provider.inbox if m.request == "INVITE")
    assert invite.target.startswith(f"sip:+79161234567@{PROVIDER}")
    assert "sip:+74951234567@" in invite["from"]
    assert "sip:+74951234567@" in invite["p-asserted-identity"]


def test_the_second_trunk_is_tried_when_the_first_fails():
    office = VirtualOffice()
    anna = office.phone("101")
    office.provider(refuse=503)
    backup = office.provider(host=BACKUP)
    anna.call("+79161234567")
    office.run(5)
    assert backup.talking


def test_a_busy_number_is_not_tried_through_another_trunk():
    office = VirtualOffice()
    anna = office.phone("101")
    office.provider(refuse=486)
    backup = office.provider(host=BACKUP)
    anna.call("+79161234567")
    office.run(5)
    assert anna.status == 486
    assert not any(m.request == "INVITE" for m in backup.inbox)


def test_a_full_trunk_is_passed_over():
    office = VirtualOffice(trunk_calls=0)
    anna, backup = office.phone("101"), office.provider(host=BACKUP)
    anna.call("+79161234567")
    office.run(5)
    assert backup.talking


def test_a_trunk_never_reaches_a_trunk():
    office = VirtualOffice()
    provider, backup = office.provider(), office.provider(host=BACKUP)
    provider.call("+79161234567")
    office.run(5)
    assert provider.status == 404
    assert not any(m.request == "INVITE" for m in backup.inbox)


def test_a_stranger_never_reaches_a_trunk():
    office = VirtualOffice()
    provider = office.provider()
    stranger = office.phone("101", registered=False, password="guess", host="10.9.9.9")
    stranger.call("+79161234567")
    office.run(10)
    assert stranger.status in (401, 403)
    assert not any(m.request == "INVITE" for m in provider.inbox)
    assert office.told(CallArrived) == []


def test_early_media_of_the_outside_is_heard_before_the_answer():
    office = VirtualOffice()
    anna = office.phone("101")
    office.provider(early_media=True, answer=3.0)
    anna.call("+79161234567")
    office.run(2)
    assert anna.status == 183
    first, second = office.engine.rows
    assert office.engine.rows[first] == {second: 1.0}
    office.run(3)
    assert anna.talking


# Names and numbers ----------------------------------------------------------------------------------------------------


def test_the_number_of_a_caller_from_outside_is_shown_and_recorded_in_e164():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(name="89161234567")
    provider.call("+74951234567")
    office.run(4)
    assert "<sip:+79161234567@office.example>" in anna.last("INVITE", request=True)["from"]
    assert office.told(CallArrived)[0].caller == "+79161234567"


def test_a_trunk_is_believed_whom_it_asserts():
    office = VirtualOffice()
    asserted = 'P-Asserted-Identity: "Ivan" <sip:+79031112233@provider.example>'
    anna, provider = office.phone("101"), office.provider(headers=(asserted,))
    provider.call("+74951234567")
    office.run(4)
    assert '"Ivan" <sip:+79031112233@' in anna.last("INVITE", request=True)["from"]
    assert office.told(CallArrived)[0].caller == "+79031112233"


def test_a_withheld_number_from_outside_is_recorded_but_not_shown():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(name="89161234567", headers=("Privacy: id",))
    provider.call("+74951234567")
    office.run(4)
    invite = anna.last("INVITE", request=True)
    assert "anonymous@anonymous.invalid" in invite["from"]
    assert "9161234567" not in " ".join(value for _, value in invite.headers)
    arrived = office.told(CallArrived)[0]
    assert (arrived.caller, arrived.withheld) == ("+79161234567", True)


def test_a_person_who_withholds_his_number_is_asserted_to_the_provider_alone():
    office = VirtualOffice()
    anna, provider = office.phone("101", headers=("Privacy: id",)), office.provider()
    anna.call("+79161234567")
    office.run(4)
    invite = provider.last("INVITE", request=True)
    assert "anonymous@anonymous.invalid" in invite["from"]
    assert "+74951234567" in invite["p-asserted-identity"]
    assert invite["privacy"] == "id"


def test_a_person_who_withholds_his_number_is_anonymous_to_a_colleague():
    office = VirtualOffice()
    anna, boris = office.phone("101", headers=("Privacy: id",)), office.phone("102")
    anna.call("102")
    office.run(4)
    invite = boris.last("INVITE", request=True)
    assert "anonymous@anonymous.invalid" in invite["from"]
    assert invite["p-asserted-identity"] == ""


def test_an_inbound_pattern_takes_a_range_of_numbers():
    office = VirtualOffice(inbound=(Inbound(number="+7495123456X", to="person:102"),))
    boris, provider = office.phone("102"), office.provider()
    provider.call("+74951234560")
    office.run(4)
    assert boris.talking


def test_an_inbound_number_of_one_trunk_is_unknown_on_another():
    office = VirtualOffice(inbound=(Inbound(number="+74951234567", to="person:101", trunk="provider"),))
    anna, backup = office.phone("101"), office.provider(host=BACKUP)
    backup.call("+74951234567")
    office.run(4)
    assert backup.status == 404
    assert anna.count("INVITE") == 0
    assert office.results == ["no such number"]


# Digest towards the provider ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 407])
def test_a_provider_that_asks_for_digest_gets_it(status: int):
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(challenge=status)
    anna.call("+79161234567")
    office.run(4)
    assert anna.talking
    assert provider.talking
    assert provider.count("INVITE") == 2


@pytest.mark.parametrize("status", [401, 407])
def test_a_trunk_without_an_account_gets_no_credentials_and_the_caller_no_challenge(status: int):
    office = VirtualOffice()
    anna, _ = office.phone("101"), office.provider(refuse=503)
    backup = office.provider(host=BACKUP, challenge=status)
    anna.call("+79161234567")
    office.run(6)
    assert backup.count("INVITE") == 1
    assert anna.status == 403
    assert [m.status for m in anna.inbox if m.method == "INVITE"].count(401) == 1  # our own challenge to her
    assert office.results == ["refused"]
    assert office.settled()


def test_a_telephone_that_asks_for_digest_gets_none():
    office = VirtualOffice()
    anna, boris = office.phone("101"), office.phone("102", challenge=407)
    anna.call("102")
    office.run(6)
    assert boris.count("INVITE") == 1
    assert anna.status == 403


# Lines ----------------------------------------------------------------------------------------------------------------


def test_a_call_from_a_trunk_whose_lines_are_all_busy_is_refused_and_on_record():
    office = VirtualOffice(trunk_calls=1)
    office.phone("101")
    office.provider().call("+74951234567")
    office.run(3)
    second = office.provider(host=SECOND_LINE, name="7500")
    second.call("+74951234567")
    office.run(3)
    assert second.status == 503
    assert second.last("INVITE")["retry-after"] == "10"
    assert len(office.told(CallArrived)) == 2
    assert office.results == ["refused"]
    assert office.told(ConversationEnded)[0].cause == "all lines are busy"


def test_the_line_of_a_call_is_free_again_when_it_is_over():
    office = VirtualOffice(trunk_calls=1)
    anna, provider = office.phone("101"), office.provider()
    for _ in range(3):
        anna.call("+79161234567")
        office.run(3)
        assert provider.talking
        anna.hang_up()
        office.run(1)
    for _ in range(3):
        provider.call("+74951234567")
        office.run(3)
        assert anna.talking
        provider.hang_up()
        office.run(1)


def test_inbound_and_outbound_calls_share_the_lines():
    office = VirtualOffice(trunk_calls=1)
    office.phone("101")
    boris, provider, backup = office.phone("102"), office.provider(), office.provider(host=BACKUP)
    provider.call("+74951234567")
    office.run(3)
    boris.call("+79161234567")
    office.run(3)
    assert backup.talking


# Trunks that are not there --------------------------------------------------------------------------------------------


def test_a_trunk_that_says_nothing_at_all_is_passed_over_after_its_timeout():
    office = VirtualOffice()
    anna = office.phone("101")
    provider, backup = office.provider(), office.provider(host=BACKUP)
    provider.vanish()
    anna.call("+79161234567")
    began = office.now
    office.run_until(lambda: backup.count("INVITE") == 1)
    assert 4.0 <= office.now - began < 4.5
    office.run(2)
    assert anna.talking
    assert backup.talking


def test_a_trunk_that_answers_late_does_not_ring_beside_the_second():
    # Its 180 and 200 come when the second trunk has the call: the 180 is answered by CANCEL, the 200 by ACK and BYE.
    office = VirtualOffice()
    anna = office.phone("101")
    provider, backup = office.provider(answer=0.2), office.provider(host=BACKUP)
    provider.vanish()
    anna.call("+79161234567")
    office.run(6)
    assert backup.talking
    office.network.dead.discard(PROVIDER)
    office.run(40)
    assert provider.count("INVITE") >= 1
    assert provider.idle
    assert backup.talking
    assert anna.talking
    assert office.results == []
    anna.hang_up()
    office.run(40)
    assert office.results == ["answered"]
    assert office.settled()


def test_the_caller_may_give_up_before_a_silent_trunk_is_passed_over():
    office = VirtualOffice()
    anna, backup = office.phone("101"), office.provider(host=BACKUP)
    office.provider().vanish()
    anna.call("+79161234567")
    office.run(2)
    anna.hang_up()
    office.run(40)
    assert backup.count("INVITE") == 0
    assert office.results == ["abandoned"]
    assert office.settled()


def test_a_trunk_that_failed_a_call_is_tried_last_by_the_next():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider()
    backup = office.provider(host=BACKUP)
    provider.vanish()
    anna.call("+79161234567")
    office.run(6)
    assert office.endpoint.trunks["provider"] == "down"
    anna.hang_up()
    office.run(1)
    anna.call("+79161234567")
    office.run(1)
    assert backup.talking
    assert [(e.trunk, e.reachable) for e in office.told(TrunkReachability)] == [("provider", False)]


def test_a_trunk_that_is_down_is_still_better_than_none():
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider()
    provider.vanish()
    office.provider(host=BACKUP, refuse=503)
    anna.call("+79161234567")
    office.run(10)
    office.network.dead.discard(PROVIDER)
    anna.call("+79161234567")
    office.run(4)
    assert provider.talking


def test_a_trunk_that_stops_answering_options_is_down_and_three_good_answers_bring_it_back():
    office = VirtualOffice()
    provider = office.provider()
    office.provider(host=BACKUP)
    office.run(1)
    assert dict(office.endpoint.trunks) == {"provider": "up", "backup": "up"}
    provider.vanish()
    # Asked every 30 s; 4 s of silence are believed.
    office.run(34)
    assert office.endpoint.trunks["provider"] == "down"
    office.network.dead.discard(PROVIDER)
    good = provider.count("OPTIONS")
    office.run_until(lambda: office.endpoint.trunks["provider"] == "up")
    assert provider.count("OPTIONS") - good >= 3  # the question that it slept through comes again too
    told = [(e.trunk, e.reachable, e.why) for e in office.told(TrunkReachability)]
    assert told == [("provider", False, "no answer to OPTIONS"), ("provider", True, "answers OPTIONS")]


def test_a_trunk_that_never_answers_options_is_not_down_for_that():
    office = VirtualOffice()
    office.provider().vanish()
    office.run(200)
    assert office.endpoint.trunks["provider"] == "unknown"
    assert office.told(TrunkReachability) == []


def test_a_trunk_that_never_answers_options_rests_after_a_failed_call_and_is_tried_again():
    office = VirtualOffice()
    anna = office.phone("101")
    office.provider().vanish()
    office.provider(host=BACKUP, refuse=486)
    anna.call("+79161234567")
    office.run(6)
    assert office.endpoint.trunks["provider"] == "down"
    office.run(30)
    assert office.endpoint.trunks["provider"] == "unknown"


def test_the_caller_gives_up_while_the_second_trunk_is_tried():
    office = VirtualOffice()
    anna, _ = office.phone("101"), office.provider(refuse=503)
    backup = office.provider(host=BACKUP, answer=None)
    anna.call("+79161234567")
    office.run(2)
    assert backup.ringing
    anna.hang_up()
    office.run(6)
    assert backup.idle
    assert office.results == ["abandoned"]
    assert office.settled()


def test_a_provider_that_sends_our_call_back_to_us_does_not_make_it_go_in_circles():
    # What comes from a trunk never leaves by a trunk, and the count of hops goes on across the switch.
    office = VirtualOffice()
    anna, provider = office.phone("101"), office.provider(answer=None)
    anna.call("+79161234567")
    office.run(2)
    hops = int(provider.last("INVITE", request=True)["max-forwards"])
    again = office.provider(host=SECOND_LINE, headers=(f"Max-Forwards: {hops - 1}",))
    again.call("+79161234567")
    office.run(3)
    assert again.status == 404
    assert hops == 69
    assert provider.count("INVITE") == 1
