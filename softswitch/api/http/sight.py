"""What of a conversation its own people see: everything but who supervises them.

Supervision is written down, and heads and directors read it; the person
concerned does not see it, unless it is help that was asked for, or a group of
his has ``shown = true``. Who takes a conversation over is plain to whom it is
taken from.
"""

from __future__ import annotations

from collections.abc import Iterable

from softswitch.api.views import CallRow, TimelineLine
from softswitch.directory.people import Directory, Person
from softswitch.directory.permissions import Subject, shown
from softswitch.records.cdr import Cdr
from softswitch.records.reviews import KINDS
from softswitch.records.search import parties

__all__ = ["HIDDEN", "OF_REVIEWS", "SUPERVISOR", "discreet", "discreet_lines", "kept_from", "subject_of", "talker"]

SUPERVISOR = "supervisor"
"""The role of a leg that stands beside a conversation unasked."""

HIDDEN = frozenset(
    {
        "SupervisionStarted",
        "SupervisionChanged",
        "SupervisionEnded",
        "SupervisionRefused",
        "AccessGranted",
        "AccessRefused",
    }
)
"""Kinds of events that tell of supervision."""


OF_REVIEWS = frozenset(kind.__name__ for kind in KINDS)
"""Kinds of events that concern whoever asked for a review and his heads, and nobody else in the conversation."""

PLAIN = frozenset({"TakenOver", "GivenBack"})


def subject_of(cdr: Cdr) -> Subject:
    """Return whom an action on a conversation is about: the caller and who answered talk, the others were rung."""
    everybody = parties(cdr)
    talkers = frozenset(one for one in everybody if talker(one, cdr))
    return Subject(talkers, everybody - talkers)


def talker(extension: str, cdr: Cdr) -> bool:
    """Tell whether somebody called, or answered."""
    return any(
        leg.party == f"person:{extension}" and (leg.role == "caller" or (leg.role == "called" and leg.answered_at))
        for leg in cdr.legs
    )


def kept_from(person: Person, cdr: Cdr, directory: Directory) -> bool:
    """Tell whether somebody is not to see who supervised this conversation: it is his own."""
    return talker(person.extension, cdr) and not shown(person, directory)


def discreet(row: CallRow) -> CallRow:
    """Return the row without those who supervise."""
    return {**row, "legs": [leg for leg in row["legs"] if leg["role"] != SUPERVISOR]}


def discreet_lines(lines: Iterable[TimelineLine], cdr: Cdr) -> list[TimelineLine]:
    """Return the timeline without those who supervise."""
    beside = {leg.party for leg in cdr.legs if leg.role == SUPERVISOR}
    talking = {leg.party for leg in cdr.legs if leg.role != SUPERVISOR}
    hidden = beside - talking
    return [
        line for line in lines if line["kind"] in PLAIN or (line["kind"] not in HIDDEN and line["who"] not in hidden)
    ]
