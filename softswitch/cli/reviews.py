"""Commands about reviews: which there are, what was said, and to say it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from softswitch.cli.program import client_of, command, conversation_ids, found_by
from softswitch.cli.terminal import Explained, Failed, Terminal
from softswitch.errors import SwitchError

if TYPE_CHECKING:
    from softswitch.api.views import ReviewView

__all__ = ["review", "reviews"]

_PLACE = re.compile(r"(?:(?:([0-9]{1,3}):)?([0-9]{1,5}):)?([0-9]{1,6}(?:\.[0-9]{1,3})?)")


def _place(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return the seconds of "65.5", "1:05" or "1:02:03"."""
    if value is None:
        return None
    found = _PLACE.fullmatch(value)
    if found is None:
        raise click.BadParameter(Terminal.of(ctx).say("review.no_place", value=value), ctx, param)
    hours, minutes, seconds = found.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def review_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the id of a conversation: first those under review, then the latest ones."""
    try:
        with client_of(Terminal.of(ctx), timeout=1.0) as (client, _):
            under_review = [row["conversation"] for row in client.call("reviews")]
    except (SwitchError, OSError):
        return []
    begun = [one for one in under_review if one.startswith(incomplete)]
    return list(dict.fromkeys([*begun, *conversation_ids(ctx, param, incomplete)]))


@command
@click.option("--all", "closed", cls=Explained, key="option.closed", is_flag=True)
@click.option("--last", cls=Explained, key="option.last", type=click.IntRange(1, 10_000), default=50, metavar="N")
def reviews(terminal: Terminal, closed: bool, last: int) -> None:
    from softswitch.api.client import NotRunning

    try:
        with client_of(terminal) as (client, _):
            rows = client.call("reviews", closed=closed, last=last)
    except NotRunning:
        from softswitch.cli import records

        found = found_by(terminal)
        if not records.exist(found):
            raise
        rows = records.reviews(found, last, closed=closed)
        if not terminal.json:
            terminal.note(terminal.say("offline"))
    if terminal.json:
        terminal.print_json(rows)
        return
    from softswitch.cli import screen

    screen.reviews(terminal, rows)


@command
@click.argument("conversation", metavar="ID", shell_complete=review_ids)
@click.argument("employee", metavar="[EXTENSION]", required=False)
@click.option("--as", "by", cls=Explained, key="option.reviewer", metavar="EXTENSION")
@click.option("--ask", cls=Explained, key="option.ask", metavar="NOTE", is_flag=False, flag_value="")
@click.option("--comment", cls=Explained, key="option.comment", metavar="TEXT")
@click.option("--at", "position", cls=Explained, key="option.at", callback=_place, metavar="TIME")
@click.option(
    "--recording", cls=Explained, key="option.recording", type=click.IntRange(1, 1000), default=1, metavar="N"
)
@click.option("--mark", cls=Explained, key="option.mark", type=click.IntRange(1, 5), metavar="1-5")
@click.option("--close", cls=Explained, key="option.close", is_flag=True)
def review(
    terminal: Terminal,
    conversation: str,
    employee: str | None,
    by: str | None,
    ask: str | None,
    comment: str | None,
    position: float | None,
    recording: int,
    mark: int | None,
    close: bool,
) -> None:
    if (position is not None and comment is None) or (ask is not None and employee not in (None, by)):
        raise click.UsageError(terminal.say("review.usage"))
    orders: list[tuple[str, dict[str, object]]] = []
    if ask is not None:
        orders.append(("review_ask", {"note": ask}))
    if comment is not None:
        where = {} if position is None else {"position": position, "recording": recording}
        orders.append(("review_comment", {"text": comment, **where}))
    if mark is not None:
        orders.append(("review_mark", {"mark": mark}))
    if close:
        orders.append(("review_close", {}))
    if orders and by is None:
        raise click.UsageError(terminal.say("review.as"))
    view = (
        _ordered(terminal, conversation, employee, by, orders) if orders else _shown(terminal, conversation, employee)
    )
    if terminal.json:
        terminal.print_json(view)
        return
    from softswitch.cli import screen

    screen.review(terminal, view)


def _ordered(
    terminal: Terminal,
    conversation: str,
    employee: str | None,
    by: str | None,
    orders: list[tuple[str, dict[str, object]]],
) -> ReviewView:
    """Do one thing after another; return the review as it is then."""
    view: ReviewView | None = None
    with client_of(terminal) as (client, _):
        for order, values in orders:
            if order == "review_ask":
                view = client.call(order, conversation=conversation, employee=by, **values)
                employee = by
            else:
                whose = {} if employee is None else {"employee": employee}
                view = client.call(order, conversation=conversation, by=by, **whose, **values)
    assert view is not None
    return view


def _shown(terminal: Terminal, conversation: str, employee: str | None) -> ReviewView:
    from softswitch.api.client import CommandFailed, NotRunning

    whose = {} if employee is None else {"employee": employee}
    try:
        with client_of(terminal) as (client, _):
            view: ReviewView = client.call("review", conversation=conversation, **whose)
            return view
    except CommandFailed as error:
        if error.code != 404:
            raise
    except NotRunning:
        from softswitch.cli import records

        found = found_by(terminal)
        if not records.exist(found):
            raise
        stored = records.review(found, conversation, employee)
        if stored is not None:
            return stored
    raise Failed(terminal, "no_review", "no_review", id=conversation)
