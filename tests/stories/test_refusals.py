"""A refused attempt says why, is one event with who, whom and what, and changes nothing for anybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from softswitch.calls.modes import Mode
from softswitch.events import HelpRefused, SupervisionRefused
from softswitch.ids import ConversationId
from tests.stories.centre import Centre, requests_of

C = ConversationId("another")
HEAD_OF_OTHERS = "nobody in it belongs to a group that you head"
WITHOUT_RIGHT = "whispering to the customer needs a permission of its own"
EMPLOYEE = "employees may do this only with their own conversations"

SUPERVISING: dict[str, tuple[Callable[[Centre], str | None], tuple[str, str, str, str]]] = {
    "the head of another group": (
        lambda office: office.supervise(by="120"),
        ("120", "101", "listen", HEAD_OF_OTHERS),
    ),
    "a colleague": (lambda office: office.supervise(Mode.BARGE, by="102"), ("102", "101", "barge", EMPLOYEE)),
    "a head who may not whisper to customers": (
        lambda office: office.supervise(Mode.WHISPER_TO_CUSTOMER),
        ("110", "101", "whisper to customer", WITHOUT_RIGHT),
    ),
    "nobody talks": (
        lambda office: office.supervise(Mode.WHISPER, whom="102"),
        ("110", "102", "whisper", "102 is in no conversation"),
    ),
    "he talks in another one": (
        lambda office: office.supervise(conversation=C),
        ("110", "101", "listen", "101 is in another conversation"),
    ),
    "an unknown employee": (lambda office: office.supervise(whom="999"), ("110", "999", "listen", "no person '999'")),
    "an unknown head": (lambda office: office.supervise(by="999"), ("999", "101", "listen", "no person '999'")),
    "a head without a telephone": (
        lambda office: office.supervise(by="111"),
        ("111", "101", "listen", "no telephone of the supervisor can be reached"),
    ),
    "taking over without supervising": (
        lambda office: office.take_over(),
        ("110", "101", "take over", "110 does not supervise 101"),
    ),
    "taking over from somebody unknown": (
        lambda office: office.take_over(whom="999"),
        ("110", "999", "take over", "no person '999'"),
    ),
}


def state(office: Centre) -> object:
    """Who hears whom, what each telephone was asked, and who supervises whom in which way."""
    rows = {listener: dict(row) for listener, row in office.engine.rows.items()}  # type: ignore[union-attr]
    asked = {host: requests_of(phone) for host, phone in office.phones.items()}
    return rows, asked, [one.wish for one in office.control.supervisions]


def refused(office: Centre) -> list[tuple[str, str, str, str]]:
    told = office.told(SupervisionRefused)
    return [(event.supervisor, event.employee, event.action, event.reason) for event in told]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("attempt", "event"), SUPERVISING.values(), ids=SUPERVISING)
def test_whoever_may_not_or_cannot_supervise_is_told_why_and_nothing_changes(
    attempt: Callable[[Centre], str | None], event: tuple[str, str, str, str]
):
    office = Centre(sound=False)
    office.converse()
    before = state(office)
    assert attempt(office) == event[3]
    office.run(1)
    assert refused(office) == [event]
    assert state(office) == before


HELP = {
    "nobody of that name": ("Nobody", "no person 'Nobody'"),
    "no such group": ("group:x", "no group 'x'"),
    "no such skill": ("skill:x", "no skill 'x'"),
    "not there": ("103", "no telephone of a colleague can be reached"),
    "nobody free": ("group:experts", "nobody is free to help"),
}


@pytest.mark.parametrize(("whom", "why"), HELP.values(), ids=HELP)
def test_who_can_get_no_help_is_told_why_and_nothing_changes(whom: str, why: str):
    office = Centre(sound=False)
    office.converse()
    office.phone("102")
    expert = office.phone("105")
    expert.call("102")
    office.run(1)
    assert expert.talking
    before = state(office)
    assert office.ask_help(whom) == why
    office.run(1)
    assert [(event.employee, event.reason) for event in office.told(HelpRefused)] == [("101", why)]  # type: ignore[attr-defined]
    assert state(office) == before


@pytest.mark.parametrize(
    ("key", "action", "why"),
    [
        ("3", "whisper to customer", WITHOUT_RIGHT),
        ("#", "next", "there is no other conversation to go to"),
        ("0", "aside", "who only listens cannot talk aside"),
    ],
)
def test_a_key_that_can_do_nothing_is_heard_by_who_pressed_it_and_told(key: str, action: str, why: str):
    office = Centre()
    office.converse()
    office.boris.call("*41101")
    office.run(1)
    customer, anna = requests_of(office.customer), requests_of(office.anna)
    (supervision,) = office.control.supervisions
    wish = supervision.wish
    office.listen_for(0.2)
    office.boris.press(key)
    office.run(0.8)
    assert refused(office) == [("110", "101", action, why)]
    assert office.boris.hears(425, 0.4) > -40  # the tone of an office without a country
    assert supervision.wish == wish
    assert (requests_of(office.customer), requests_of(office.anna)) == (customer, anna)


def test_a_head_whose_mode_may_not_be_changed_so_goes_on_as_he_did():
    office = Centre(sound=False)
    office.converse()
    office.supervise(Mode.WHISPER)
    office.run(2)
    before = state(office)
    assert office.supervise(Mode.WHISPER_TO_CUSTOMER) == WITHOUT_RIGHT
    office.run(1)
    assert refused(office) == [("110", "101", "whisper to customer", WITHOUT_RIGHT)]
    assert state(office) == before
