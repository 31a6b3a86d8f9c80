"""The decision of the dial plan: where a call goes, and by which rule.

Pure: the same snapshot and the same number give the same route. Two rules hold
whatever the file says: a call that came from a trunk never goes to a trunk (toll
fraud begins there), and a call of nobody in the directory goes nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from softswitch.dialplan import numbers, patterns
from softswitch.dialplan.routes import SUPERVISE, Inbound, Plan, Trunk
from softswitch.frozen import dataclass

__all__ = ["NoRoute", "People", "Route", "ToPerson", "ToTrunk", "route", "supervises"]


class Caller(Protocol):
    """What the plan must know of a person."""

    @property
    def outside(self) -> str | None: ...


class People(Protocol):
    """What the plan must know of the directory: people by extension."""

    @property
    def people(self) -> Mapping[str, Caller]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToPerson:
    """Ring the devices of ``extension``."""

    extension: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToTrunk:
    """Call ``number`` through the first of ``trunks`` that works.

    ``number`` is E.164 with "+", or bare digits as dialled for a short or
    emergency number. ``caller`` is the number to show (E.164), "" if none is configured.
    """

    trunks: tuple[Trunk, ...]
    number: str
    caller: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoute:
    """The call goes nowhere: ``reason`` for the timeline, ``status`` for the caller."""

    reason: Literal["not a number", "no such number", "not allowed"]
    status: Literal[403, 404, 484] = 404


Route = ToPerson | ToTrunk | NoRoute


def route(plan: Plan, directory: People, kind: Literal["person", "trunk"], name: str, dialled: str) -> Route:
    """Return where a call goes that ``kind``/``name`` (as of ``sip.events.Identity``) makes to ``dialled``."""
    if kind == "person" and name in directory.people:
        return _from_person(plan, directory, directory.people[name], dialled)
    if kind == "trunk" and name in plan.trunks:
        return _from_trunk(plan, directory, name, dialled)
    return NoRoute(reason="not allowed", status=403)


def _from_person(plan: Plan, directory: People, caller: Caller, dialled: str) -> Route:
    digits = numbers.clean(dialled)
    if digits in directory.people:
        return ToPerson(extension=digits, rule="extension")
    full = numbers.e164(digits, plan.country, plan.area)
    for rule in plan.outbound:
        called = _matched(rule.number, digits, full)
        if called is not None:
            return ToTrunk(
                trunks=tuple(plan.trunks[trunk] for trunk in rule.trunks if trunk in plan.trunks),
                number=called,
                caller=caller.outside or rule.caller or "",
                rule=f"outbound {rule.number}",
            )
    return NoRoute(reason="no such number" if digits else "not a number")


def supervises(plan: Plan, trunk: str, dialled: str) -> bool:
    """Whether a call of a trunk is for whoever supervises from outside, and for nobody's telephone."""
    rule = _inbound(plan, trunk, dialled)
    return rule is not None and rule.to == SUPERVISE


def _inbound(plan: Plan, trunk: str, dialled: str) -> Inbound | None:
    """Return the first rule that fits."""
    digits = numbers.clean(dialled)
    full = numbers.e164(digits, plan.country, plan.area)
    fitting = (rule for rule in plan.inbound if rule.trunk in (None, trunk))
    return next((rule for rule in fitting if _matched(rule.number, digits, full) is not None), None)


def _from_trunk(plan: Plan, directory: People, trunk: str, dialled: str) -> Route:
    rule = _inbound(plan, trunk, dialled)
    kind, _, target = ("", "", "") if rule is None else rule.to.partition(":")
    if rule is not None and kind == "person" and target in directory.people:
        return ToPerson(extension=target, rule=f"inbound {rule.number}")
    return NoRoute(reason="no such number" if numbers.clean(dialled) else "not a number")


def _matched(text: str, digits: str, full: str | None) -> str | None:
    """Return the form of the number that fits the pattern, None if none does."""
    pattern = patterns.parse(text)
    if isinstance(pattern, patterns.BadPattern):
        return None
    number = full if pattern.international else digits
    return number if number is not None and pattern.matches(number) else None
