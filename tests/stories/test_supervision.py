"""A head beside a conversation: who hears whom in every mode, and what the two who talk notice of it: nothing."""

from __future__ import annotations

import itertools
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from softswitch.calls.modes import Mode
from softswitch.directory.people import Role
from softswitch.events import SupervisionChanged, SupervisionEnded, SupervisionRefused, SupervisionStarted, TakenOver
from softswitch.media.engine import MOST_TAPPED
from tests.sim import audio
from tests.sim.office import person
from tests.sim.test_sound import recording_in
from tests.stories.centre import (
    CUSTOMER,
    EMPLOYEE,
    GROUPS,
    PEOPLE,
    SECOND,
    SUPERVISOR,
    Centre,
    deaf_to,
    hears,
    hears_music,
    requests_of,
    steady,
    undisturbed,
)

MODES = (Mode.LISTEN, Mode.WHISPER, Mode.BARGE)
CODECS = ("PCMU", "PCMA")


def customer_hears(mode: Mode) -> bool:
    return mode in (Mode.BARGE, Mode.WHISPER_TO_CUSTOMER)


def employee_hears(mode: Mode) -> bool:
    return mode in (Mode.BARGE, Mode.WHISPER)


def as_the_table_says(office: Centre, mode: Mode) -> None:
    """Appendix A1 of the mission, row by row."""
    office.listen_for()
    customer, anna, boris = office.customer, office.anna, office.boris
    assert hears(customer, EMPLOYEE)
    assert hears(anna, CUSTOMER)
    assert hears(boris, CUSTOMER)
    assert hears(boris, EMPLOYEE)
    assert deaf_to(boris, SUPERVISOR)
    assert hears(customer, SUPERVISOR) if customer_hears(mode) else deaf_to(customer, SUPERVISOR)
    assert hears(anna, SUPERVISOR) if employee_hears(mode) else deaf_to(anna, SUPERVISOR)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("codecs", list(itertools.product(CODECS, repeat=3)), ids="-".join)
def test_before_during_and_after_each_hears_exactly_whom_the_table_says(mode: Mode, codecs: tuple[str, str, str]):
    office = Centre()
    customer, anna, boris = office.customer, office.anna, office.boris
    customer.codecs, anna.codecs, boris.codecs = ((codec,) for codec in codecs)
    office.converse()
    before = len(requests_of(customer)), len(requests_of(anna))
    office.listen_for()
    assert hears(customer, EMPLOYEE)
    assert hears(anna, CUSTOMER)
    assert deaf_to(customer, SUPERVISOR)
    office.supervise(mode)
    office.run(1.5)
    as_the_table_says(office, mode)
    boris.hang_up()
    office.run(0.5)
    office.listen_for()
    assert hears(customer, EMPLOYEE)
    assert hears(anna, CUSTOMER)
    assert deaf_to(customer, SUPERVISOR)
    assert deaf_to(anna, SUPERVISOR)
    # Neither got a request, another SSRC, or a jump of sequence or timestamp.
    assert undisturbed(customer, before[0])
    assert undisturbed(anna, before[1])


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "not recorded"])
def test_modes_change_in_any_order_and_the_two_notice_neither_level_nor_click(recorded: bool):
    office = Centre()
    office.reload(record_all=recorded)
    office.converse()
    requests = len(requests_of(office.customer)), len(requests_of(office.anna))
    for phone in (office.customer, office.anna):
        phone.heard.clear()
    for mode in (Mode.LISTEN, Mode.WHISPER, Mode.LISTEN, Mode.WHISPER, Mode.LISTEN):
        office.supervise(mode)
        office.run(1.0)
    office.boris.hang_up()
    office.run(1.0)
    assert steady(office.customer, EMPLOYEE)
    assert steady(office.anna, CUSTOMER)
    assert undisturbed(office.customer, requests[0])
    assert undisturbed(office.anna, requests[1])


@pytest.mark.parametrize("another", [None, Mode.WHISPER, Mode.BARGE], ids=str)
def test_every_change_of_mode_is_heard_within_300_ms_whoever_else_is_there(another: Mode | None):
    office = Centre()
    office.phone("100", tone=SECOND)
    office.converse()
    office.supervise(Mode.LISTEN)
    if another is not None:
        office.supervise(another, by="100")
    office.run(1.5)
    for before, mode in itertools.permutations((Mode.LISTEN, Mode.WHISPER, Mode.BARGE), 2):
        office.supervise(before)
        office.run(0.5)
        office.supervise(mode)
        office.run(0.3)
        for phone in (office.customer, office.anna):
            phone.heard.clear()
        office.run(0.2)
        for phone, expected in ((office.customer, customer_hears(mode)), (office.anna, employee_hears(mode))):
            assert hears(phone, SUPERVISOR) if expected else deaf_to(phone, SUPERVISOR)


def test_who_listens_is_asked_to_send_nothing_and_is_heard_by_nobody_even_if_he_does():
    office = Centre()
    office.converse()
    office.supervise(Mode.LISTEN)
    office.run(1.5)
    assert b"a=sendonly" in office.boris.last("INVITE", request=True).body
    as_the_table_says(office, Mode.LISTEN)  # this telephone sends all the same
    office.supervise(Mode.WHISPER)
    office.run(0.5)
    assert b"a=sendrecv" in office.boris.last("INVITE", request=True).body
    office.supervise(Mode.LISTEN)
    office.run(0.5)
    assert b"a=sendonly" in office.boris.last("INVITE", request=True).body


def test_whispering_to_the_customer_needs_a_permission_of_its_own():
    office = Centre()
    olga = office.phone("111", tone=SUPERVISOR)
    office.converse()
    assert office.supervise(Mode.WHISPER_TO_CUSTOMER) == "whispering to the customer needs a permission of its own"
    assert office.supervise(Mode.WHISPER_TO_CUSTOMER, by="111") is None
    office.run(1.5)
    office.listen_for()
    assert hears(office.customer, SUPERVISOR)
    assert hears(office.customer, EMPLOYEE)
    assert deaf_to(office.anna, SUPERVISOR)
    assert hears(olga, CUSTOMER)
    assert hears(olga, EMPLOYEE)


def test_several_supervisors_at_once_do_not_disturb_each_other():
    office = Centre()
    director = office.phone("100", tone=SECOND)
    office.converse()
    office.supervise(Mode.LISTEN)
    office.supervise(Mode.WHISPER, by="100")
    office.run(1.5)
    as_the_table_says(office, Mode.LISTEN)
    assert hears(office.anna, SECOND)
    assert deaf_to(office.customer, SECOND)
    assert deaf_to(office.boris, SECOND)
    director.hang_up()
    office.run(0.5)
    as_the_table_says(office, Mode.LISTEN)
    assert deaf_to(office.anna, SECOND)


@pytest.mark.parametrize("mode", MODES)
def test_during_a_hold_the_held_one_hears_music_and_the_prompter_still_only_the_employee(mode: Mode):
    office = Centre()
    office.converse()
    office.supervise(mode)
    office.run(1.5)
    office.customer.hold("inactive")
    office.run(0.5)
    office.listen_for()
    assert hears_music(office.anna)
    assert deaf_to(office.anna, CUSTOMER)
    assert hears(office.anna, SUPERVISOR) if employee_hears(mode) else deaf_to(office.anna, SUPERVISOR)
    assert hears(office.boris, EMPLOYEE)
    assert deaf_to(office.boris, CUSTOMER)
    office.customer.resume()
    office.run(0.5)
    as_the_table_says(office, mode)
    office.anna.hold("sendonly")
    office.run(0.5)
    office.listen_for()
    assert hears_music(office.customer)
    assert hears(office.customer, SUPERVISOR) if customer_hears(mode) else deaf_to(office.customer, SUPERVISOR)
    office.anna.resume()
    office.run(0.5)
    as_the_table_says(office, mode)


def test_a_mode_may_change_while_music_plays():
    office = Centre()
    office.converse()
    office.supervise(Mode.LISTEN)
    office.run(1.5)
    office.customer.hold("inactive")
    office.run(0.5)
    office.supervise(Mode.WHISPER)
    office.run(0.5)
    office.listen_for()
    assert hears(office.anna, SUPERVISOR)
    office.customer.resume()
    office.run(0.5)
    as_the_table_says(office, Mode.WHISPER)


@pytest.mark.parametrize("mode", MODES)
def test_a_supervisors_digits_reach_nobody_and_the_others_digits_arrive_as_before(mode: Mode):
    office = Centre()
    office.reload(keys={})
    office.converse()
    office.supervise(mode)
    office.run(1.5)
    office.boris.press("9")
    office.run(0.5)
    assert office.customer.digits_heard == []
    assert office.anna.digits_heard == []
    office.customer.press("1")
    office.run(0.5)
    office.anna.press("2")
    office.run(0.5)
    assert office.anna.digits_heard == ["1"]
    assert office.customer.digits_heard == ["2"]
    as_the_table_says(office, mode)


def test_monitoring_a_call_that_is_not_answered_yet_starts_when_it_is():
    office = Centre()
    office.anna.answer = 4.0
    office.customer.call("+74951234567")
    office.run(1.0)
    assert office.supervise(Mode.LISTEN) is None
    office.run(2.0)
    assert office.boris.talking
    assert office.told(SupervisionStarted) == []
    office.run_until(lambda: office.customer.talking)
    office.run(1.0)
    assert len(office.told(SupervisionStarted)) == 1
    as_the_table_says(office, Mode.LISTEN)


def test_while_it_rings_nobody_knows_yet_who_will_talk_and_so_the_right_is_asked_again_at_the_answer():
    office = Centre()
    unheard = office.phone("104", tone=CUSTOMER)
    office.anna.answer = 4.0
    unheard.call("101")
    office.run(1.0)
    assert office.supervise(Mode.LISTEN) is None
    office.run_until(lambda: unheard.talking)
    office.run(1.0)
    assert office.told(SupervisionStarted) == []
    (refused,) = office.told(SupervisionRefused)
    assert refused.reason == "somebody in it is not to be monitored"  # type: ignore[attr-defined]
    assert office.boris.idle
    office.listen_for()
    assert hears(unheard, EMPLOYEE)
    unheard.hang_up()
    office.run(7)
    assert office.settled()


def test_it_ends_with_the_conversation():
    office = Centre()
    office.converse()
    office.supervise(Mode.BARGE)
    office.run(1.5)
    office.customer.hang_up()
    office.run(0.5)
    assert office.boris.idle
    assert office.anna.idle
    (ended,) = office.told(SupervisionEnded)
    assert ended.cause == "conversation over"  # type: ignore[attr-defined]
    office.run(6)
    assert office.names()[-1] == "ConversationEnded"
    assert office.settled()


def test_a_supervisors_telephone_that_vanishes_changes_nothing_else():
    office = Centre(media_timeout=5.0)
    office.converse()
    office.supervise(Mode.WHISPER)
    office.run(1.5)
    requests = len(requests_of(office.customer)), len(requests_of(office.anna))
    office.boris.vanish()
    office.run(8.0)
    assert [event.cause for event in office.told(SupervisionEnded)] == ["media lost"]  # type: ignore[attr-defined]
    office.listen_for()
    assert hears(office.customer, EMPLOYEE)
    assert hears(office.anna, CUSTOMER)
    assert undisturbed(office.customer, requests[0])
    assert undisturbed(office.anna, requests[1])
    office.customer.hang_up()
    office.run(40)
    assert office.settled()


@pytest.mark.parametrize("mode", MODES)
def test_taking_over_leaves_the_head_with_the_customer_and_releases_the_employee(mode: Mode):
    office = Centre()
    office.converse()
    office.supervise(mode)
    office.run(1.5)
    requests = len(requests_of(office.customer))
    assert office.take_over() is None
    office.run(0.7)
    assert office.anna.idle
    office.listen_for()
    assert hears(office.customer, SUPERVISOR)
    assert hears(office.boris, CUSTOMER)
    assert deaf_to(office.customer, EMPLOYEE)
    assert undisturbed(office.customer, requests)
    office.boris.press("7")  # he is the agent now: his digits are the customer's
    office.run(0.5)
    assert office.customer.digits_heard == ["7"]
    office.customer.hang_up()
    office.run(6)
    assert office.boris.idle
    assert office.results == ["answered"]
    assert office.settled()


def test_after_taking_over_an_outgoing_call_the_head_ends_it_by_hanging_up():
    office = Centre()
    office.customer.answer = 0.5
    office.anna.call("+79161234567")
    office.run(2)
    assert office.supervise(Mode.WHISPER) is None
    office.run(1.5)
    as_the_table_says(office, Mode.WHISPER)
    office.take_over()
    office.run(0.5)
    assert office.anna.idle
    assert office.customer.talking
    office.boris.hang_up()
    office.run(6)
    assert office.customer.idle
    assert office.results == ["answered"]
    assert office.settled()
    assert len(office.told(TakenOver)) == 1


@pytest.mark.parametrize("vanishes", ["during the hold", "afterwards"])
@pytest.mark.parametrize("park", [False, True], ids=["released", "parked"])
def test_after_taking_over_from_who_held_the_call_a_customer_who_vanishes_is_noticed(vanishes: str, park: bool):
    office = Centre(media_timeout=5.0)
    office.converse()
    office.supervise(Mode.BARGE)
    office.run(1.5)
    office.anna.hold("sendonly")
    office.run(0.5)
    if vanishes == "during the hold":
        office.customer.vanish()
        office.run(7)
    office.take_over(park=park)
    office.run(0.7)
    office.customer.vanish()
    office.run(7)
    assert office.boris.idle


@pytest.mark.parametrize("park", [False, True], ids=["released", "parked"])
@pytest.mark.parametrize("monitored", [True, False], ids=["monitored", "not monitored"])
def test_who_listens_goes_on_when_another_takes_over_unless_that_one_is_not_to_be_monitored(
    monitored: bool, park: bool
):
    people = tuple(replace(one, monitored=monitored) if one.extension == "110" else one for one in PEOPLE)
    office = Centre(people=people)
    director = office.phone("100", tone=SECOND)
    office.converse()
    office.supervise(Mode.LISTEN, by="100")
    office.supervise(Mode.LISTEN, by="110")
    office.run(1.5)
    assert office.take_over(by="110", park=park) is None
    office.run(1.0)
    office.listen_for()
    assert hears(office.customer, SUPERVISOR)
    assert director.idle is not monitored
    assert hears(director, SUPERVISOR) if monitored else deaf_to(director, SUPERVISOR, CUSTOMER)
    reasons = [event.reason for event in office.told(SupervisionRefused)]  # type: ignore[attr-defined]
    assert reasons == ([] if monitored else ["somebody in it is not to be monitored"])


def test_who_has_just_taken_over_supervises_nobody_any_more():
    office = Centre(sound=False)
    office.converse()
    office.supervise(Mode.LISTEN)
    office.run(1.5)
    office.take_over()
    assert office.control.supervisions == []
    assert office.supervise(Mode.BARGE) == "101 is in no conversation"


def test_between_colleagues_a_whisper_reaches_the_one_who_is_supervised():
    office = Centre()
    dmitry = office.phone("102", tone=CUSTOMER)
    office.anna.call("102")
    office.run(2)
    office.supervise(Mode.WHISPER, whom="101")
    office.run(1.5)
    office.listen_for()
    assert hears(office.anna, SUPERVISOR)
    assert deaf_to(dmitry, SUPERVISOR)


def test_a_refused_attempt_says_why_and_changes_nothing():
    office = Centre()
    office.phone("120")
    unheard = office.phone("104")
    office.converse()
    requests = len(requests_of(office.customer)), len(requests_of(office.anna))
    assert office.supervise(by="120") == "nobody in it belongs to a group that you head"
    assert office.supervise(by="102") == "employees may do this only with their own conversations"
    assert office.supervise(by="110", whom="102") == "102 is in no conversation"
    assert office.supervise(by="110", whom="999") == "no person '999'"
    office.anna.hang_up()
    office.run(2)
    office.boris.call("104")
    office.run(2)
    assert unheard.talking
    assert office.supervise(by="100", whom="104") == "somebody in it is not to be monitored"
    assert [event.reason for event in office.told(SupervisionRefused)] == [  # type: ignore[attr-defined]
        "nobody in it belongs to a group that you head",
        "employees may do this only with their own conversations",
        "102 is in no conversation",
        "no person '999'",
        "somebody in it is not to be monitored",
    ]
    assert len(requests_of(office.customer)) == requests[0] + 1  # the BYE


def test_every_start_change_and_end_is_an_event_with_who_and_whom():
    office = Centre(sound=False)
    office.converse()
    office.supervise(Mode.LISTEN)
    office.run(1.5)
    office.supervise(Mode.BARGE)
    office.run(2)
    office.boris.hang_up()
    office.run(1)
    (started,), (changed,), (ended,) = (
        office.told(kind) for kind in (SupervisionStarted, SupervisionChanged, SupervisionEnded)
    )
    assert (started.supervisor, started.employee, started.mode, started.via) == ("110", "101", "listen", "cli")  # type: ignore[attr-defined]
    assert (changed.before, changed.mode) == ("listen", "barge")  # type: ignore[attr-defined]
    assert (ended.mode, ended.cause) == ("barge", "hung up")  # type: ignore[attr-defined]
    assert 2.5 <= ended.duration <= 4.0  # type: ignore[attr-defined]
    assert started.why == changed.why == "head of the group"  # type: ignore[attr-defined]
    assert started.conversation == ended.conversation is not None


@pytest.mark.parametrize("mode", MODES)
def test_the_recording_has_the_customer_left_and_the_employee_right_and_nobody_else_on_either(
    tmp_path: Path, mode: Mode
):
    office = Centre(recordings=tmp_path)
    office.converse()
    office.supervise(mode)
    office.run(3)
    office.customer.hang_up()
    office.run(6)
    sound = recording_in(tmp_path)
    late = sound[-8000:-800]
    assert abs(audio.level_of(late[:, 0], CUSTOMER) + 16) <= 3
    assert abs(audio.level_of(late[:, 1], EMPLOYEE) + 16) <= 3
    assert max(audio.level_of(late[:, side], SUPERVISOR) for side in (0, 1)) <= -76


def test_after_taking_over_one_file_goes_on_with_the_head_on_the_employees_track(tmp_path: Path):
    office = Centre(recordings=tmp_path)
    office.converse()
    office.supervise(Mode.WHISPER)
    office.run(2)
    office.take_over()
    office.run(2)
    office.customer.hang_up()
    office.run(6)
    sound = recording_in(tmp_path)
    late = sound[-8000:-800]
    assert abs(audio.level_of(late[:, 0], CUSTOMER) + 16) <= 3
    assert abs(audio.level_of(late[:, 1], SUPERVISOR) + 16) <= 3
    assert audio.level_of(late[:, 1], EMPLOYEE) <= -76


def test_aside_the_customer_hears_music_and_the_employee_talks_with_the_prompter():
    office = Centre()
    office.converse()
    requests = len(requests_of(office.customer)), len(requests_of(office.anna))
    office.supervise(Mode.WHISPER)
    office.run(1.5)
    office.boris.press("0")
    office.run(0.6)
    office.listen_for()
    # Appendix A1, last row.
    assert hears_music(office.customer)
    assert deaf_to(office.customer, EMPLOYEE, SUPERVISOR)
    assert hears(office.anna, SUPERVISOR)
    assert deaf_to(office.anna, CUSTOMER, 300.0)
    assert hears(office.boris, EMPLOYEE)
    assert deaf_to(office.boris, CUSTOMER)
    office.boris.press("0")
    office.run(0.6)
    as_the_table_says(office, Mode.WHISPER)
    assert undisturbed(office.customer, requests[0])
    assert len(requests_of(office.anna)) == requests[1]


def test_a_prompter_who_leaves_gives_the_waiting_customer_back():
    office = Centre()
    office.converse()
    office.supervise(Mode.WHISPER)
    office.run(1.5)
    office.boris.press("0")
    office.run(0.6)
    office.boris.hang_up()
    office.run(0.5)
    office.listen_for()
    assert hears(office.customer, EMPLOYEE)
    assert hears(office.anna, CUSTOMER)


@pytest.mark.parametrize("who", ["none", "employee", "customer", "both"])
def test_where_the_office_wants_it_a_beep_discloses_the_supervisor(who: str):
    office = Centre(groups={**GROUPS, "sales": replace(GROUPS["sales"], disclosure=who)})
    office.converse()
    requests = len(requests_of(office.customer)), len(requests_of(office.anna))
    office.supervise(Mode.LISTEN)
    office.run_until(lambda: office.told(SupervisionStarted))
    office.listen_for(0.5)
    for phone, named in ((office.customer, "customer"), (office.anna, "employee")):
        assert (phone.hears(1400.0) > -40.0) is (who in (named, "both"))
    office.run(0.5)
    as_the_table_says(office, Mode.LISTEN)
    assert deaf_to(office.customer, 1400.0)
    assert undisturbed(office.customer, requests[0])
    assert undisturbed(office.anna, requests[1])


def test_where_the_group_has_an_announcement_that_is_heard_instead_of_the_beep(tmp_path: Path):
    path, seconds = tmp_path / "monitored.wav", np.arange(8000) / 8000
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((3000 * np.sin(2 * np.pi * 700 * seconds)).astype(np.int16).tobytes())
    group = replace(GROUPS["sales"], disclosure="employee", announcement=path)
    office = Centre(groups={**GROUPS, "sales": group})
    office.converse()
    office.supervise(Mode.LISTEN)
    office.run_until(lambda: office.told(SupervisionStarted))
    office.listen_for(0.8)
    assert office.anna.hears(700.0) > -40.0
    assert deaf_to(office.anna, 1400.0)
    assert deaf_to(office.customer, 700.0)
    office.run(0.7)
    as_the_table_says(office, Mode.LISTEN)


def test_keys_by_info_change_the_mode_where_a_telephone_sends_nothing_while_it_listens():
    office = Centre()
    office.boris.obeys = True
    office.converse()
    office.supervise(Mode.LISTEN)
    office.run(1.5)
    office.boris._in_dialog("INFO", body="Signal=5\r\nDuration=100\r\n", extra=["Content-Type: application/dtmf-relay"])
    office.run(0.6)
    as_the_table_says(office, Mode.WHISPER)
    assert office.anna.digits_heard == office.customer.digits_heard == []


@pytest.mark.parametrize("mode", MODES)
def test_what_a_supervisor_says_is_on_a_third_track_of_its_own_where_the_office_wants_it(tmp_path: Path, mode: Mode):
    office = Centre(recordings=tmp_path)
    office.reload(whisper_track=True)
    office.converse()
    office.supervise(mode)
    office.run(3)
    office.customer.hang_up()
    office.run(6)
    (path,) = tmp_path.rglob("*.wav")
    with wave.open(str(path)) as file:
        assert file.getnchannels() == 3
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 3)
    late = sound[-8000:-800]
    for track, frequency in enumerate((CUSTOMER, EMPLOYEE, SUPERVISOR)):
        said = track < 2 or mode is not Mode.LISTEN
        level = audio.level_of(late[:, track], frequency)
        assert abs(level + 16) <= 3 if said else level <= -76
        assert all(audio.level_of(late[:, other], frequency) <= -76 for other in range(3) if other != track)


def test_more_people_may_whisper_than_the_recording_has_room_for(tmp_path: Path):
    directors = tuple(person(str(900 + number), role=Role.DIRECTOR) for number in range(MOST_TAPPED + 1))
    office = Centre(sound=True, recordings=tmp_path, people=(*PEOPLE, *directors))
    office.reload(whisper_track=True)
    phones = [office.phone(one.extension) for one in directors]
    office.converse()
    for one in directors:
        assert office.supervise(Mode.WHISPER, by=one.extension) is None
    office.run(2)
    assert all(phone.talking for phone in phones)
    assert len(office.told(SupervisionStarted)) == MOST_TAPPED + 1
    office.take_over(by=directors[0].extension)
    office.run(1)
    assert len(office.told(TakenOver)) == 1


def test_a_key_that_is_not_permitted_is_answered_by_congestion_for_the_supervisor_alone():
    office = Centre()
    office.converse()
    office.boris.call("*41101")
    office.run(1)
    office.listen_for(0.2)
    office.boris.press("3")  # whisper to the customer
    office.run(0.8)
    assert office.boris.hears(425, 0.4) > -40  # the tone of an office without a country
    assert deaf_to(office.anna, 425)
    assert deaf_to(office.customer, 425)
    office.run(2)
    office.listen_for()
    assert deaf_to(office.boris, 425)
    assert hears(office.boris, CUSTOMER)


def test_of_two_conversations_of_an_employee_the_one_that_was_named_is_heard():
    office = Centre()
    office.converse()
    (held,) = office.control.calls
    office.anna.hold("sendonly")
    dmitry = office.phone("102", tone=SECOND)
    second = office.phone("101", host="10.0.3.1", tone=EMPLOYEE)
    second.call("102")
    office.run(2)
    assert dmitry.talking
    assert office.supervise(Mode.LISTEN, conversation=held.id) is None
    office.run(1.5)
    office.anna.resume()
    office.run(0.5)
    office.listen_for()
    assert hears(office.boris, CUSTOMER)
    assert deaf_to(office.boris, SECOND)
    (other,) = (call for call in office.control.calls if call is not held)
    assert office.supervise(Mode.LISTEN, conversation=other.id) is None
    office.run(1.0)
    office.listen_for()
    assert hears(office.boris, SECOND)
    assert deaf_to(office.boris, CUSTOMER)
    assert office.supervise(Mode.LISTEN, whom="102", conversation=held.id) == "102 is in another conversation"


def test_another_supervisor_stays_with_the_conversation_when_somebody_else_takes_it_over():
    office = Centre()
    director = office.phone("100", tone=SECOND)
    office.converse()
    office.supervise(Mode.LISTEN, by="100")
    office.supervise(Mode.WHISPER)
    office.run(1.5)
    office.take_over()
    office.run(0.7)
    office.listen_for(1.2)
    assert hears(director, CUSTOMER)
    assert hears(director, SUPERVISOR)
    assert director.hears(EMPLOYEE) < -60.0  # what two tones make of each other in G.711 lies there
    assert deaf_to(office.customer, SECOND)
    office.customer.hang_up()
    office.run(6)
    assert director.idle
    assert office.settled()
