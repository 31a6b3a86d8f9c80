"""The timeline of a conversation: its events as lines that name the party they are about.

A leg's events carry only its id; the fold remembers whose leg it is and on which
device. ``sentences`` makes words of the lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType

from softswitch.events import CallArrived, Event, LegDialog, LegOffered
from softswitch.ids import LegId

__all__ = ["Line", "Party", "journey"]

Value = str | int | float | bool | None
_SILENT = (LegDialog,)  # kept for the machine, nothing that a person would call an event
_LEFT_OUT = frozenset({"seq", "node", "at", "up", "conversation", "leg", "call_id", "dialog"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Whose leg it is. ``party`` is "person:102" or "trunk:provider", ``number`` what they are reached or known by."""

    party: str
    number: str = ""
    name: str = ""
    device: str = ""
    caller: bool = False
    withheld: bool = False


NOBODY = Party(party="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: the event's ``kind``, who it is about (``NOBODY``: the switch itself) and its own fields."""

    at: datetime
    kind: str
    who: Party = NOBODY
    data: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))


def journey(events: Iterable[Event]) -> list[Line]:
    """Return the lines of one conversation's events, in their order. Never raises."""
    parties: dict[LegId, Party] = {}
    lines = []
    for event in events:
        match event:
            case CallArrived():
                who = Party(
                    party=event.origin,
                    number=event.caller,
                    name=event.caller_name,
                    caller=True,
                    withheld=event.withheld,
                )
                parties[event.leg] = who
            case LegOffered():
                kind, _, name = event.party.partition(":")
                user, host = _user_and_host(event.target)
                who = Party(party=event.party, number=name if kind == "person" else user, device=host)
                parties[event.leg] = who
            case _:
                who = parties.get(getattr(event, "leg", LegId("")), NOBODY)
        if not isinstance(event, _SILENT):
            lines.append(Line(at=event.at, kind=type(event).__name__, who=who, data=_data(event)))
    return lines


def _data(event: Event) -> Mapping[str, Value]:
    data: dict[str, Value] = {}
    for each in fields(event):
        if each.name in _LEFT_OUT:
            continue
        value = getattr(event, each.name)
        if isinstance(value, tuple):
            value = ", ".join(value)
        data[each.name] = value.isoformat() if isinstance(value, datetime) else value
    return MappingProxyType(data)


def _user_and_host(uri: str) -> tuple[str, str]:
    """Return the user and the host of a SIP URI that we called ourselves, as they are written in it."""
    rest = uri.partition(":")[2] or uri
    before, at, after = rest.partition("@")
    address = (after if at else before).partition(";")[0].partition("?")[0]
    if address.startswith("["):
        return (before if at else "").partition(";")[0], address[1:].partition("]")[0]
    return (before if at else "").partition(";")[0], address.partition(":")[0]
