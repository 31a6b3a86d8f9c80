"""Where a call goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softswitch.dialplan.plan import NoRoute, Route, ToPerson, ToTrunk, route
from softswitch.dialplan.routes import Inbound, Outbound, Plan, Trunk
from softswitch.directory.people import Directory, Person

PROVIDER = Trunk(name="provider", host="203.0.113.5")
BACKUP = Trunk(name="backup", host="203.0.113.6")
OFFICE = "+74951234567"

PLAN = Plan(
    inbound=(
        Inbound(number=OFFICE, to="person:101", trunk="provider"),
        Inbound(number="+7495123XXXX", to="person:102"),
        Inbound(number="700", to="person:103"),
        Inbound(number="+7812.", to="person:999"),
    ),
    outbound=(
        Outbound(number="+7XXXXXXXXXX", trunks=("provider", "backup"), caller=OFFICE),
        Outbound(number="112", trunks=("provider",), caller=OFFICE),
        Outbound(number="+44.", trunks=("backup",)),
    ),
    trunks={"provider": PROVIDER, "backup": BACKUP},
)
PEOPLE = Directory(
    people={
        "101": Person(extension="101", name="Anna"),
        "102": Person(extension="102", name="Viktor", outside="+74951234502"),
        "103": Person(extension="103", name="Ivan"),
    },
    groups={},
)


def dial(number: str, by: str = "101") -> Route:
    return route(PLAN, PEOPLE, "person", by, number)


def arrive(number: str, through: str = "provider") -> Route:
    return route(PLAN, PEOPLE, "trunk", through, number)


def test_an_extension_is_that_person() -> None:
    assert dial("102") == ToPerson(extension="102", rule="extension")


def test_a_mobile_number_goes_out_in_e164_however_it_is_dialled() -> None:
    out = ToTrunk(trunks=(PROVIDER, BACKUP), number="+79161234567", caller=OFFICE, rule="outbound +7XXXXXXXXXX")
    assert [dial(number) for number in ("+79161234567", "8 916 123-45-67", "9161234567")] == [out, out, out]


def test_who_has_a_number_of_their_own_shows_it() -> None:
    found = dial("+79161234567", by="102")
    assert isinstance(found, ToTrunk)
    assert found.caller == "+74951234502"


def test_a_short_number_goes_out_as_it_was_dialled() -> None:
    found = dial("112")
    assert isinstance(found, ToTrunk)
    assert (found.number, found.trunks) == ("112", (PROVIDER,))


def test_without_any_number_to_show_the_caller_is_empty() -> None:
    found = dial("00442071838750")
    assert isinstance(found, ToTrunk)
    assert (found.number, found.caller) == ("+442071838750", "")


def test_the_first_rule_that_fits_decides() -> None:
    plan = Plan(
        outbound=(
            Outbound(number="+7916.", trunks=("backup",)),
            Outbound(number="+7.", trunks=("provider",)),
        ),
        trunks=PLAN.trunks,
    )
    found = route(plan, PEOPLE, "person", "101", "+79161234567")
    assert isinstance(found, ToTrunk)
    assert found.trunks == (BACKUP,)


def test_a_number_that_no_rule_allows_goes_nowhere() -> None:
    assert dial("+12125551234") == NoRoute(reason="no such number", status=404)
    assert dial("999") == NoRoute(reason="no such number", status=404)


def test_what_is_no_number_goes_nowhere() -> None:
    assert dial("anna") == NoRoute(reason="not a number", status=404)
    assert dial("") == NoRoute(reason="not a number", status=404)


def test_an_inbound_number_is_found_however_the_provider_writes_it() -> None:
    anna = ToPerson(extension="101", rule=f"inbound {OFFICE}")
    assert [arrive(number) for number in (OFFICE, "74951234567", "84951234567", "4951234567")] == [anna] * 4


def test_a_rule_of_one_trunk_is_not_for_another() -> None:
    assert arrive(OFFICE, through="backup") == ToPerson(extension="102", rule="inbound +7495123XXXX")


def test_a_provider_may_call_by_bare_digits_too() -> None:
    assert arrive("700") == ToPerson(extension="103", rule="inbound 700")


def test_a_trunk_does_not_reach_extensions_without_a_rule() -> None:
    assert arrive("101") == NoRoute(reason="no such number", status=404)


def test_a_rule_to_somebody_who_left_goes_nowhere() -> None:
    assert arrive("+78121234567") == NoRoute(reason="no such number", status=404)


def test_nobody_and_unknown_trunks_may_not_call() -> None:
    assert route(PLAN, PEOPLE, "person", "666", "102") == NoRoute(reason="not allowed", status=403)
    assert route(PLAN, PEOPLE, "trunk", "nowhere", OFFICE) == NoRoute(reason="not allowed", status=403)


numbers = (
    st.text(max_size=50)
    | st.from_regex(r"[+0-9*#;=. ()-]{0,30}", fullmatch=True)
    | st.sampled_from(
        [
            "112",
            OFFICE,
            "+79161234567",
            "89161234567",
            "00;ext=1",
            "%2B79161234567",
            "tel:+7916",
            "101",
            "810442071838750",
        ]
    )
)


@given(st.sampled_from(["provider", "backup", "", "101"]), numbers)
def test_a_trunk_never_reaches_a_trunk_whatever_it_calls(trunk: str, number: str) -> None:
    assert isinstance(route(PLAN, PEOPLE, "trunk", trunk, number), ToPerson | NoRoute)


@given(st.sampled_from(["101", "102", "666", ""]), numbers)
def test_only_people_of_the_directory_reach_anybody(name: str, number: str) -> None:
    found = route(PLAN, PEOPLE, "person", name, number)
    assert isinstance(found, NoRoute) or name in PEOPLE.people
    if isinstance(found, ToTrunk):
        assert any(rule.number in found.rule for rule in PLAN.outbound)
