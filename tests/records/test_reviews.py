"""Reviews as a fold: one of each employee and conversation, whatever the order of events; and how they are found."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from softswitch.events import Event, ReviewAsked, ReviewClosed, ReviewCommented, ReviewMarked
from softswitch.ids import ConversationId
from softswitch.records.cdr import ConversationFold
from softswitch.records.query import Records
from softswitch.records.rebuild import rebuild
from softswitch.records.reviews import (
    OfReview,
    ReviewRecord,
    ReviewSearch,
    apply_review,
    fits,
    place,
    place_of,
)
from softswitch.store.database import Database
from softswitch.store.schema import review_comments, reviews
from tests.records.office import Office
from tests.records.story import at, call
from tests.records.strategies import event_sequences

C = ConversationId("c1")


def asked(start: float, employee: str = "101", conversation: str = "c1", note: str = "") -> ReviewAsked:
    return ReviewAsked(conversation=ConversationId(conversation), at=at(start), employee=employee, note=note, via="api")


def commented(start: float, text: str, position: float | None = None) -> ReviewCommented:
    return ReviewCommented(
        conversation=C, at=at(start), employee="101", by="110", text=text, recording=1, position=position
    )


def folded(*events: OfReview) -> dict[str, ReviewRecord]:
    found: dict[str, ReviewRecord] = {}
    for event in events:
        apply_review(found, event)
    return found


def test_a_review_from_the_wish_to_the_end() -> None:
    review = folded(
        asked(100, note="the price"),
        commented(200, "too fast", 41.5),
        ReviewMarked(conversation=C, at=at(210), employee="101", by="110", mark=3),
        ReviewMarked(conversation=C, at=at(220), employee="101", by="100", mark=4),
        ReviewClosed(conversation=C, at=at(230), employee="101", by="110"),
    )["101"]
    assert (review.note, review.mark, review.marked_by) == ("the price", 4, "100")
    assert (review.asked_at, review.closed_at, review.closed_by) == (at(100), at(230), "110")
    assert [(one.number, one.at, one.position, one.text) for one in review.said] == [(1, at(200), 41.5, "too fast")]


def test_who_asks_again_has_an_open_review_with_all_that_was_said() -> None:
    closed = ReviewClosed(conversation=C, at=at(230), employee="101", by="110")
    review = folded(asked(100, note="one"), asked(110, note="ignored"), commented(200, "x"), closed, asked(300))["101"]
    assert (review.closed_at, review.asked_at, review.note, review.comments) == (None, at(300), "", 1)
    assert folded(asked(100, note="one"), asked(110, note="ignored"))["101"].note == "one"


def test_what_nobody_asked_for_is_no_review() -> None:
    assert folded(commented(200, "x"), ReviewClosed(conversation=C, at=at(230), employee="101", by="110")) == {}


def test_a_review_has_the_civil_time_and_the_call_its_own() -> None:
    # The machine was started anew in between: its monotonic clock says 81 s, later than the 60 s of the call.
    events: list[Event] = [
        *call(),
        ReviewAsked(conversation=C, at=at(86_400), up=81.0, employee="101", note="", via=""),
    ]
    fold = ConversationFold(events[0])
    for event in events:
        fold.apply(event)
    cdr = fold.cdr()
    assert (cdr.reviews[0].asked_at, cdr.ended_at, cdr.talk) == (at(86_400), at(60), 40.0)


def of_reviews(sequence: list[Event]) -> Iterator[OfReview]:
    for event in sequence:
        if isinstance(event, OfReview) and event.conversation == "c1":
            yield event


@given(event_sequences)
def test_any_sequence_gives_a_mark_only_with_its_giver_and_comments_in_their_order(sequence: list[Event]) -> None:
    events = list(of_reviews(sequence))
    for employee, review in folded(*events).items():
        assert review.employee == employee
        assert [one.number for one in review.said] == list(range(1, review.comments + 1))
        assert review.mark is not None or review.marked_by == ""
        assert review.closed_at is not None or review.closed_by == ""
        before = [one for one in events if isinstance(one, ReviewAsked)]
        assert review.asked_at in {one.at for one in before}


records = st.builds(
    ReviewRecord,
    conversation=st.sampled_from(["c1", "c2"]).map(ConversationId),
    employee=st.sampled_from(["101", "102"]),
    asked_at=st.integers(0, 3).map(float).map(at),
    note=st.just(""),
    closed_at=st.none() | st.just(at(9)),
)


@given(st.lists(records, unique_by=lambda one: (one.asked_at, one.conversation, one.employee)), st.integers(1, 3))
def test_pages_together_are_the_whole_list(found: list[ReviewRecord], size: int) -> None:
    whole = sorted(found, key=lambda one: (one.asked_at, one.conversation, one.employee), reverse=True)
    seen: list[ReviewRecord] = []
    after = None
    while page := [one for one in whole if fits(ReviewSearch(after=after), one)][:size]:
        seen += page
        after = place(place_of(page[-1]))
    assert seen == whole


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_a_place_is_one_or_none(word: str) -> None:
    found = place(word) if word.isascii() else None
    assert found is None or (isinstance(found[0], datetime) and found[0].tzinfo is not None)


async def test_reviews_are_found_in_the_spool_and_in_the_database_alike(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call("c1"), *call("c2", start=100), asked(300), asked(301, "102"), asked(302, "101", "c2"))
    records = Records.open(tmp_path)
    for _ in range(2):  # once with the tail in the spool, once with everything in the database
        found = [(one.conversation, one.employee) for one, _ in await records.reviews(ReviewSearch())]
        assert found == [("c2", "101"), ("c1", "102"), ("c1", "101")]
        mine = await records.reviews(ReviewSearch(people=frozenset({"102"})))
        assert [(one.employee, cdr.conversation) for one, cdr in mine] == [("102", "c1")]
        assert await records.reviews(ReviewSearch(open=False)) == []
        assert len(await records.reviews(ReviewSearch(limit=2))) == 2
        await office.journal.flush()
    # The table says open, the spool knows better.
    with office.locked():
        office.publish(ReviewClosed(conversation=C, employee="101", by="110"))
        found = [(one.conversation, one.employee) for one, _ in await records.reviews(ReviewSearch(open=True, limit=2))]
        assert found == [("c2", "101"), ("c1", "102")]
        assert [one.closed_by for one, _ in await records.reviews(ReviewSearch(open=False))] == ["110"]
    await records.close()
    await office.stop()


async def test_the_rows_tell_what_the_fold_tells(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call(), asked(100, note="the price"), commented(200, "too fast", 41.5))
    await office.journal.flush()
    await office.stop()
    database = Database(tmp_path / "softswitch.db", create=False)
    async with database.reading() as connection:
        (review,) = (await connection.execute(select(reviews))).all()
        (said,) = (await connection.execute(select(review_comments))).all()
    await database.close()
    assert tuple(review) == ("c1", "101", at(100), "the price", None, "", None, "", 1)
    assert tuple(said) == ("c1", "101", 1, datetime(2026, 11, 23, 9, 3, 20, tzinfo=UTC), "110", 1, 41.5, "too fast")


async def test_a_database_of_an_older_version_has_no_reviews_until_it_is_prepared(tmp_path: Path) -> None:
    office = await Office(tmp_path).start()
    office.publish(*call(), asked(100))
    await office.journal.flush()
    await office.stop()
    with sqlite3.connect(tmp_path / "softswitch.db") as connection:
        connection.execute("DROP TABLE reviews")
        connection.execute("DROP TABLE review_comments")
    records = Records.open(tmp_path)
    assert await records.reviews(ReviewSearch()) == []
    assert (await records.cdr("c1")).reviews != ()
    await records.close()
    database = Database(tmp_path / "softswitch.db")
    assert (await rebuild(database)).unread == 0
    await database.close()
    records = Records.open(tmp_path)
    assert [one.employee for one, _ in await records.reviews(ReviewSearch())] == ["101"]
    await records.close()
