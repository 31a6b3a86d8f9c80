"""Whatever supervisors, prompters and those who talk do, in any order: the rows stay right and nothing is left."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softswitch.calls.modes import Mode
from softswitch.directory.people import Directory, Skill
from softswitch.events import (
    ConversationEnded,
    HelpEnded,
    HelpStarted,
    LegEnded,
    LegOffered,
    SupervisionEnded,
    SupervisionStarted,
)
from softswitch.mixer.roles import HEARS
from tests.stories.centre import GROUPS, NUMBER, PEOPLE, Centre

SKILLS = MappingProxyType(
    {
        "tariffs": Skill(key="tariffs", name="Tariffs", number="1", each=0.7),
        "german": Skill(key="german", name="German", number="2", ring="all"),
    }
)
ABLE = {"102": ("tariffs",), "103": ("tariffs", "german"), "105": ("tariffs", "german")}
STAFF = {one.extension: replace(one, skills=ABLE.get(one.extension, ())) for one in PEOPLE}
DISCLOSING = {key: replace(one, disclosure="both") for key, one in GROUPS.items()}
DIRECTORIES = {
    "as before": Directory(people=STAFF, groups=GROUPS, skills=SKILLS),
    "nobody heads": Directory(people=STAFF, groups={k: replace(g, heads=()) for k, g in GROUPS.items()}, skills=SKILLS),
    "not to be monitored": Directory(
        people={**STAFF, "101": replace(STAFF["101"], monitored=False)}, groups=GROUPS, skills=SKILLS
    ),
    "everybody is told": Directory(people=STAFF, groups=DISCLOSING, skills=SKILLS),
    "no skills": Directory(people={one.extension: one for one in PEOPLE}, groups=GROUPS),
    **{
        f"{gone} has left": Directory(
            people={who: one for who, one in STAFF.items() if who != gone}, groups=GROUPS, skills=SKILLS
        )
        for gone in ("101", "105", "110")
    },
}
"""Configurations that come into force in the midst of everything."""

modes = st.sampled_from([Mode.LISTEN, Mode.WHISPER, Mode.BARGE, Mode.WHISPER_TO_CUSTOMER])
heads = st.sampled_from(["110", "111", "100"])
steps = st.one_of(
    st.tuples(st.just("supervise"), heads, modes, st.booleans()),
    st.tuples(st.just("take over"), heads, st.booleans(), st.sampled_from(["101", "110"])),
    st.tuples(st.just("supervise a head"), st.just("100"), modes),
    st.tuples(st.just("ask help"), st.sampled_from(["105", "group:sales", "skill:tariffs", "skill:german"])),
    st.tuples(st.just("mask"), st.booleans()),
    st.tuples(st.just("second line"), st.sampled_from(["*44105", "*44", "*45", "*461", "*46"])),
    st.tuples(st.just("reload"), st.sampled_from(sorted(DIRECTORIES)), st.booleans()),
    st.tuples(st.just("late offer"), st.sampled_from(["110", "101", "second", "customer"]), st.booleans()),
    st.tuples(st.just("lets it ring"), st.sampled_from(["101", "110", "102", "103", "105"]), st.booleans()),
    st.tuples(st.just("declines"), st.sampled_from(["101", "110", "102", "103", "105"])),
    st.tuples(st.just("end help")),
    st.tuples(st.just("dial"), heads, st.sampled_from(["*41101", "*42101", "*43102", "*44105"])),
    st.tuples(st.just("key"), heads, st.sampled_from("013456789#")),
    st.tuples(st.just("asked back"), st.sampled_from(["101", "110", "111", "100"])),
    st.tuples(st.just("stop"), heads),
    st.tuples(st.just("hang up"), st.sampled_from(["110", "111", "100", "105", "101", "customer"])),
    st.tuples(st.just("hold"), st.sampled_from(["110", "101", "customer"])),
    st.tuples(st.just("resume"), st.sampled_from(["110", "101", "customer"])),
    st.tuples(st.just("call")),
    st.tuples(st.just("glare"), heads),
    st.tuples(
        st.just("another codec"), st.sampled_from(["110", "111", "101", "customer"]), st.sampled_from(["PCMU", "PCMA"])
    ),
    st.tuples(st.just("vanish"), st.sampled_from(["110", "111", "105", "101", "customer"])),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(steps, st.sampled_from([0.005, 0.05, 0.4, 1.0])), max_size=14))
def test_any_order_of_commands_keeps_the_rows_and_leaves_nothing(story: list[tuple[tuple[object, ...], float]]) -> None:
    office = Centre(sound=False)
    phones = {"101": office.anna, "110": office.boris, "customer": office.customer}
    phones |= {name: office.phone(name) for name in ("111", "100", "105", "102", "103")}
    phones["second"] = office.phone("101", host="10.0.9.1")
    phones["second"].answer = None
    office.reload(directory=DIRECTORIES["as before"])
    office.converse()
    for step, pause in story:
        match step:
            case ("supervise", by, mode, follow):
                office.supervise(mode, by=by, follow=follow)  # type: ignore[arg-type]
            case ("supervise a head", by, mode):
                office.supervise(mode, by=by, whom="110")  # type: ignore[arg-type]
            case ("take over", by, park, whom):
                office.take_over(by=by, park=park, whom=whom)  # type: ignore[arg-type]
            case ("asked back", who):
                press_parked(office, str(who))
            case ("stop", by):
                office.attempt(lambda by=by: office._put(office.control.stop_supervising(by, office.now)))  # type: ignore[arg-type,misc]
            case ("mask", on):
                for call in office.control.calls:
                    office.attempt(
                        lambda call=call, on=on: office._put(  # type: ignore[misc]
                            office.control.mask(call.id, on, "101", "api", office.now)
                        )
                    )
            case ("second line", number) if phones["second"].idle:
                phones["second"].call(number)  # type: ignore[arg-type]
            case ("reload", which, whisper_track):
                office.reload(directory=DIRECTORIES[which], whisper_track=whisper_track)  # type: ignore[index]
            case ("late offer", who, late) if phones[who].idle:  # type: ignore[index]
                phones[who].late_offer = late  # type: ignore[index,assignment]
            case ("lets it ring", who, lets):
                phones[who].answer = None if lets else 0.5  # type: ignore[index]
            case ("declines", who) if phones[who].ringing:  # type: ignore[index]
                phones[who].refuse_now(486)  # type: ignore[index]
            case ("ask help", whom):
                office.ask_help(whom)  # type: ignore[arg-type]
            case ("end help",):
                office.end_help()
            case ("dial", by, number) if phones[by].idle:  # type: ignore[index]
                phones[by].call(number)  # type: ignore[index,arg-type]
            case ("key", by, digit):
                press(office, str(by), str(digit))
            case ("hang up", who):
                phones[who].hang_up()  # type: ignore[index]
            case ("hold", who) if phones[who].talking:  # type: ignore[index]
                phones[who].hold("inactive")  # type: ignore[index]
            case ("resume", who) if phones[who].talking:  # type: ignore[index]
                phones[who].resume()  # type: ignore[index]
            case ("call",) if office.customer.idle and office.anna.idle:
                office.customer.call(NUMBER)
            case ("glare", by):
                phones[by].glares = 1  # type: ignore[index]
            case ("another codec", who, codec):
                phones[who].codecs = (codec,)  # type: ignore[index,assignment]
                if phones[who].talking:  # type: ignore[index]
                    phones[who].resume()  # type: ignore[index]
            case ("vanish", who):
                phones[who].vanish()  # type: ignore[index]
                lose(office, str(who))
            case _:
                pass
        office.run(pause)
        only_whom_the_table_says(office)
    for phone in phones.values():
        phone.glares = 0
        phone.answer = 0.5
        phone.come_back()
        phone.hang_up()
    for pause in (1.0, 10.0, 45.0):  # a telephone that was away answers what rang meanwhile, and stays to follow
        office.run(pause)
        for phone in phones.values():
            phone.hang_up()
    office.run(45.0)
    if not office.settled():
        office.run(3600.0)  # who hung up unheard, in a call on hold: the session's timer finds out
    assert office.settled()
    assert office.control.supervisions == []
    begun, over = office.told(SupervisionStarted), office.told(SupervisionEnded)
    assert [e.leg for e in begun] == sorted([e.leg for e in over], key=[e.leg for e in begun].index)  # type: ignore[attr-defined]
    assert len(office.told(HelpStarted)) == len(office.told(HelpEnded))
    ended = {event.leg for event in office.told(LegEnded)}  # type: ignore[attr-defined]
    assert {event.leg for event in office.told(LegOffered)} <= ended  # type: ignore[attr-defined]
    last = {event.conversation: event for event in office.events if event.conversation}
    assert all(isinstance(event, ConversationEnded) for event in last.values())


def press(office: Centre, who: str, digit: str) -> None:
    """Press a key of a supervisor's telephone: the engine without sound is told of it by hand."""
    for supervision in office.control.supervisions:
        leg = supervision.leg if supervision.wish.supervisor == who else None
        if leg is not None and leg.media is not None and leg.port in office.engine.open_ports:
            office.engine.digit(leg.port, digit)  # type: ignore[union-attr]


def lose(office: Centre, who: str) -> None:
    """Nothing comes from somebody's telephone any more: the engine without sound notices at once."""
    party = "trunk:provider" if who == "customer" else f"person:{who}"
    legs = [supervision.leg for supervision in office.control.supervisions]
    legs += [leg for call in office.control.calls for leg in call.sides]
    for leg in legs:
        if leg is not None and leg.party == party and leg.media is not None and leg.port in office.engine.open_ports:
            office.engine.lose(leg.port)  # type: ignore[union-attr]


def press_parked(office: Centre, who: str) -> None:
    """Press the key that asks for the own place, whether one is parked or not."""
    for call in office.control.calls:
        leg = call.leg_of(who)
        if leg is not None and leg.media is not None and leg.port in office.engine.open_ports:
            office.engine.digit(leg.port, "*")  # type: ignore[union-attr]


def only_whom_the_table_says(office: Centre) -> None:
    """No row has anybody whom the listener's role must not hear, nor himself; all of a masked call are masked."""
    roles = {}
    for call in office.control.calls:
        for leg in (*call.sides, *call.audience.legs):
            roles[leg.port] = leg.role
            assert leg.port not in office.engine.open_ports or (leg.port in office.engine.masked) == call.masked  # type: ignore[union-attr]
    for listener, row in office.engine.rows.items():  # type: ignore[union-attr]
        for source in row:
            if source in office.engine.open_ports:
                assert source != listener
                assert listener in roles
                assert roles[source] in HEARS[roles[listener]]
