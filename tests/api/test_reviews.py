"""What is possible with a review: whatever is wished for in whatever order, what is answered is what is folded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from softswitch.api import reviews
from softswitch.directory.people import Directory, Person
from softswitch.errors import NoSuch, NotPossible
from softswitch.events import Event
from softswitch.records.cdr import Cdr, ConversationFold
from tests.records.story import call

DIRECTORY = Directory(
    people=MappingProxyType({one: Person(extension=one, name=one) for one in ("101", "102")}),
    groups=MappingProxyType({}),
)
FEW = 3
"""Comments that a review takes in this test."""

employees = st.sampled_from(["101", "102"])
positions = st.none() | st.floats(-1.0, 60.0) | st.just(float("nan")) | st.just(55.0)
wishes = st.one_of(
    st.tuples(st.just("ask"), employees),
    st.tuples(st.just("comment"), employees, st.sampled_from(["fine", " ", "x" * 2001]), positions, st.integers(0, 2)),
    st.tuples(st.just("mark"), employees, st.integers(0, 6)),
    st.tuples(st.just("close"), employees),
)


@dataclass
class Expected:
    """A review as whoever reads the manual expects it."""

    open: bool = True
    mark: int | None = None
    comments: int = 0


def carry_out(cdr: Cdr, wish: tuple[object, ...]) -> Event:
    match wish:
        case ("ask", str() as employee):
            return reviews.ask(cdr, employee, "", "api", DIRECTORY)
        case ("comment", str() as employee, str() as text, float() | None as position, int() as number):
            return reviews.comment(cdr, reviews.review_of(cdr, employee), "110", text, position, number)
        case ("mark", str() as employee, int() as value):
            return reviews.mark(reviews.review_of(cdr, employee), "110", value)
        case (_, str() as employee):
            return reviews.close(reviews.review_of(cdr, employee), "110")
    raise AssertionError(wish)


def fits(wish: tuple[object, ...], known: Expected | None) -> bool:
    """Tell by hand whether a wish can be fulfilled: the recording has the number 1 and lasts 55 s."""
    match wish:
        case ("ask", _):
            return known is None or not known.open
        case _ if known is None or not known.open:
            return False
        case ("comment", _, text, position, number):
            there = position is None or (number == 1 and 0 <= position <= 55)  # type: ignore[operator]
            return there and text == "fine" and known.comments < FEW
        case ("mark", _, value):
            return value in range(1, 6)
    return True


@given(st.lists(wishes, max_size=25))
def test_what_is_possible_happens_and_what_is_not_changes_nothing(sequence: list[tuple[object, ...]]) -> None:
    first, *rest = call()
    fold = ConversationFold(first)
    for event in (first, *rest):
        fold.apply(event)
    expected: dict[object, Expected] = {}
    before, reviews.MOST_COMMENTS = reviews.MOST_COMMENTS, FEW
    try:
        for wish in sequence:
            kind, employee, known = wish[0], wish[1], expected.get(wish[1])
            try:
                fold.apply(replace(carry_out(fold.cdr(), wish), at=first.at))
            except (NoSuch, NotPossible):
                assert not fits(wish, known), wish
                continue
            assert fits(wish, known), wish
            known = expected.setdefault(employee, Expected())
            known.open = kind != "close"
            known.comments += kind == "comment"
            if kind == "mark":
                known.mark = wish[2]  # type: ignore[assignment]
    finally:
        reviews.MOST_COMMENTS = before
    found = {one.employee: Expected(one.closed_at is None, one.mark, one.comments) for one in fold.cdr().reviews}
    assert found == expected
