"""An employee dials a code, and the heads have his conversation to review: the present one, or the last."""

from __future__ import annotations

from softswitch.dialplan.codes import Codes
from softswitch.events import CallArrived, ReviewAsked
from tests.stories.centre import NUMBER, Centre, requests_of


def asked(office: Centre) -> list[tuple[str | None, str, str]]:
    return [(one.conversation, one.employee, one.via) for one in office.told(ReviewAsked)]  # type: ignore[attr-defined]


def conversations(office: Centre) -> list[str | None]:
    return [event.conversation for event in office.told(CallArrived)]


def end(office: Centre) -> None:
    office.customer.hang_up()
    office.run(6)


def test_the_code_after_a_talk_is_about_the_last_conversation():
    office = Centre(sound=False)
    for _ in range(2):
        office.converse()
        end(office)
    office.anna.call("*47")
    office.run(3)
    assert office.anna.status == 200
    assert "a review is asked for" in office.anna.last("BYE", request=True)["reason"]
    assert asked(office) == [(conversations(office)[1], "101", "code")]
    assert len(conversations(office)) == 2  # what only asks is no conversation
    assert office.settled()


def test_the_code_on_a_second_line_is_about_the_present_conversation_which_goes_on():
    office = Centre(sound=False)
    office.converse()
    end(office)
    office.converse()
    before = requests_of(office.customer), requests_of(office.anna)
    second = office.phone("101", host="10.0.9.1")
    second.call("*47")
    office.run(3)
    assert second.status == 200
    assert asked(office) == [(conversations(office)[1], "101", "code")]
    assert (requests_of(office.customer), requests_of(office.anna)) == before
    assert office.customer.talking
    assert office.anna.talking


def test_each_of_two_colleagues_asks_for_himself():
    office = Centre(sound=False)
    viktor = office.phone("102")
    office.anna.call("102")
    office.run(2)
    office.anna.hang_up()
    office.run(6)
    viktor.call("*47")
    office.run(3)
    assert asked(office) == [(conversations(office)[0], "102", "code")]


def test_a_call_that_nobody_answered_is_no_conversation():
    office = Centre(sound=False)
    office.converse()
    end(office)
    office.anna.answer = None
    office.customer.call(NUMBER)
    office.run(2)
    office.customer.hang_up()
    office.run(6)
    office.anna.call("*47")
    office.run(3)
    assert asked(office) == [(conversations(office)[0], "101", "code")]


def test_who_takes_a_conversation_over_has_made_it_his_own():
    office = Centre(sound=False)
    office.converse()
    office.supervise()
    office.run(1)
    office.take_over()
    office.run(1)
    end(office)
    for phone in (office.boris, office.anna):
        phone.call("*47")
        office.run(3)
    assert asked(office) == [(conversations(office)[0], who, "code") for who in ("110", "101")]


def test_what_is_not_recorded_cannot_be_heard():
    office = Centre(sound=False)
    office.reload(record_all=False)
    office.converse()
    end(office)
    office.anna.call("*47")
    office.run(1)
    assert (office.anna.status, asked(office)) == (480, [])
    assert "nothing of the conversation is recorded" in office.anna.reason


def test_whom_nobody_may_hear_is_told_so():
    office = Centre(sound=False)
    secret = office.phone("104")
    office.anna.call("104")
    office.run(2)
    office.anna.hang_up()
    office.run(6)
    for phone in (office.anna, secret):
        phone.call("*47")
        office.run(1)
        assert phone.status == 480
        assert "somebody in it is not to be monitored" in phone.reason
    assert asked(office) == []


def test_who_has_talked_with_nobody_has_nothing_to_ask_about():
    office = Centre(sound=False)
    office.converse()
    viktor = office.phone("102")
    viktor.call("*47")
    office.run(1)
    assert viktor.status == 480
    assert "102 has talked in no conversation yet" in viktor.reason
    assert asked(office) == []


def test_the_code_is_the_office_s_own():
    office = Centre(sound=False)
    office.reload(codes=Codes(review="*99"))
    office.converse()
    end(office)
    office.anna.call("*47")
    office.run(1)
    assert asked(office) == []
    office.anna.call("*99")
    office.run(3)
    assert len(asked(office)) == 1
