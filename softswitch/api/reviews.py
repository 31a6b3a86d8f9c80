"""Asking for a review and answering it: what is possible now, for every edge.

Who may is asked before. Each function returns the event that is to be published,
or raises NotPossible with the reason; nothing is waited for, so that what was
read of a review still holds when the event of it is published (``Exchange.reviewing``).
"""

from __future__ import annotations

from softswitch.directory.people import Directory
from softswitch.directory.permissions import REASONS, Reason, Subject, heard
from softswitch.errors import NoSuch, NotPossible
from softswitch.events import ReviewAsked, ReviewClosed, ReviewCommented, ReviewMarked
from softswitch.records.cdr import Cdr
from softswitch.records.reviews import ReviewRecord
from softswitch.records.search import parties

__all__ = ["LONGEST", "MOST_COMMENTS", "ask", "close", "comment", "mark", "meant", "review_of", "subject_of_review"]

LONGEST = 2000
"""Characters of a note and of a comment."""

MOST_COMMENTS = 200
"""To one review."""


def subject_of_review(cdr: Cdr, employee: str) -> Subject:
    """Return whom a review is about: who asked for it, the others in the conversation only being heard with him."""
    return Subject(frozenset({employee}), parties(cdr) - {employee})


def review_of(cdr: Cdr, employee: str) -> ReviewRecord:
    """Return the review that somebody asked for. Raises NoSuch."""
    found = next((one for one in cdr.reviews if one.employee == employee), None)
    if found is None:
        raise NoSuch("review", f"{cdr.conversation}/{employee}")
    return found


def meant(cdr: Cdr, employee: str | None) -> ReviewRecord:
    """Return the review of an employee, None for the only one. Raises NoSuch and NotPossible."""
    if employee is not None:
        return review_of(cdr, employee)
    if not cdr.reviews:
        raise NoSuch("review", cdr.conversation)
    if len(cdr.reviews) > 1:
        raise NotPossible(f"more than one asked for a review: {', '.join(one.employee for one in cdr.reviews)}")
    return cdr.reviews[0]


def ask(cdr: Cdr, employee: str, note: str, via: str, directory: Directory) -> ReviewAsked:
    """Return the event by which a talker of a conversation asks for its review. Raises NotPossible."""
    if any(one.employee == employee and one.closed_at is None for one in cdr.reviews):
        raise NotPossible("the review has been asked for already")
    if cdr.answered_at is None and cdr.ended_at is None:
        raise NotPossible("nobody has answered yet")
    if not cdr.recordings:
        raise NotPossible("nothing of the conversation is recorded")
    if all(one.deleted for one in cdr.recordings):
        raise NotPossible("the recording is deleted")
    _check_words(note)
    # Nobody would be permitted to hear it.
    if not heard(parties(cdr), directory):
        raise NotPossible(REASONS[Reason.NOT_MONITORED][0])
    return ReviewAsked(conversation=cdr.conversation, employee=employee, note=note, via=via)


def comment(
    cdr: Cdr, review: ReviewRecord, by: str, text: str, position: float | None = None, recording: int = 1
) -> ReviewCommented:
    """Return the event of a comment, at ``position`` s of a recording or on the whole.

    Raises NoSuch and NotPossible.
    """
    _check_open(review)
    _check_words(text)
    if not text.strip():
        raise NotPossible("a comment needs words")
    if review.comments >= MOST_COMMENTS:
        raise NotPossible(f"a review takes {MOST_COMMENTS} comments, and this one has them")
    if position is not None:
        length = _length(cdr, recording)
        if not 0 <= position <= length:
            raise NotPossible(f"the recording lasts {length:.1f} s")
    return ReviewCommented(
        conversation=cdr.conversation,
        employee=review.employee,
        by=by,
        text=text,
        recording=0 if position is None else recording,
        position=position,
    )


def mark(review: ReviewRecord, by: str, value: int) -> ReviewMarked:
    """Return the event of a mark, 1 to 5. Raises NotPossible."""
    _check_open(review)
    if not 1 <= value <= 5:
        raise NotPossible("a mark is from 1 to 5")
    return ReviewMarked(conversation=review.conversation, employee=review.employee, by=by, mark=value)


def close(review: ReviewRecord, by: str) -> ReviewClosed:
    """Return the event that ends a review, or withdraws it. Raises NotPossible."""
    _check_open(review)
    return ReviewClosed(conversation=review.conversation, employee=review.employee, by=by)


def _check_words(text: str) -> None:
    if len(text) > LONGEST:
        raise NotPossible(f"more than {LONGEST} characters")


def _check_open(review: ReviewRecord) -> None:
    if review.closed_at is not None:
        raise NotPossible("the review is closed")


def _length(cdr: Cdr, number: int) -> float:
    """Return how many seconds a recording has."""
    if not 1 <= number <= len(cdr.recordings):
        raise NoSuch("recording", f"{cdr.conversation}/{number}")
    recording = cdr.recordings[number - 1]
    if recording.duration is None:
        if recording.error:
            raise NotPossible("the length of the recording is not known")
        raise NotPossible("the recording is being written still")
    return recording.duration
