"""The records of a switch that does not run, and the events of one that does, in words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict

from softswitch.api import present
from softswitch.api.reviews import meant
from softswitch.api.views import CallRow, ConversationView, EventRow, ReviewRow, ReviewView
from softswitch.cli.find import Found
from softswitch.cli.messages import Language
from softswitch.errors import NoSuch
from softswitch.events import CallArrived, ConversationEnded, Event, LegOffered
from softswitch.ids import ConversationId, LegId
from softswitch.log import printable
from softswitch.media import archive, wav
from softswitch.records.codec import VERSION, decode
from softswitch.records.journey import journey
from softswitch.records.query import Records
from softswitch.records.rebuild import rebuild as rebuild_records
from softswitch.records.reviews import ReviewSearch
from softswitch.records.salvage import salvage as salvage_events
from softswitch.records.sentences import told
from softswitch.store.database import Database

__all__ = [
    "RecordingRow",
    "Teller",
    "exist",
    "finished",
    "rebuild",
    "recordings",
    "review",
    "reviews",
    "salvage",
    "show",
]

DATABASE_FILE = "softswitch.db"


def exist(found: Found) -> bool:
    """Tell whether there are records to read: an office that never ran has none."""
    return found.data is not None and (found.url is not None or (found.data / DATABASE_FILE).is_file())


def finished(found: Found, limit: int) -> list[CallRow]:
    """Return the latest conversations, the latest last. The records must exist, here and below."""
    return asyncio.run(_finished(_open(found), limit))


def show(found: Found, conversation: str, language: Language) -> ConversationView | None:
    """Return the one conversation whose id begins so, or None."""
    return asyncio.run(_show(_open(found), conversation, language, _names(found)))


def reviews(found: Found, limit: int, *, closed: bool) -> list[ReviewRow]:
    """Return the latest open reviews, with ``closed`` all, the latest last."""
    return asyncio.run(_reviews(_open(found), ReviewSearch(open=None if closed else True, limit=limit)))


def review(found: Found, conversation: str, employee: str | None) -> ReviewView | None:
    """Return one review of the conversation whose id begins so, or None. Raises NotPossible where several asked."""
    return asyncio.run(_review(_open(found), conversation, employee))


def rebuild(found: Found) -> tuple[int, int]:
    """Compute all records anew; returns how many events were read, and how many could not be."""
    assert found.data is not None
    return asyncio.run(_rebuild(Database(found.url or found.data / DATABASE_FILE)))


class RecordingRow(TypedDict):
    """A file of the recordings folder; ``duration`` in seconds, ``expires`` null for ever, texts empty if unknown."""

    conversation: str
    path: str
    ended: str
    duration: float
    bytes: int
    expires: str | None
    caller: str
    called: str


def recordings(found: Found, limit: int, *, expired: bool) -> list[RecordingRow]:
    """Return the latest recordings, the latest last; with ``expired`` those that the switch would delete now."""
    assert found.recordings is not None
    now = datetime.now(UTC)
    files = list(archive.expired(found.recordings, found.keep, now) if expired else archive.kept(found.recordings))
    files = sorted(files, key=lambda one: one.ended_at)[-limit:]
    return asyncio.run(_described(found, files))


async def _described(found: Found, files: list[archive.Kept]) -> list[RecordingRow]:
    records = _open(found) if exist(found) else None
    rows = []
    try:
        for one in files:
            cdr = None
            with suppress(NoSuch):
                cdr = None if records is None else await records.cdr(one.conversation)
            until = None if found.keep is None else one.ended_at + timedelta(seconds=found.keep)
            length = wav.length(found.recordings / one.path) if found.recordings is not None else 0.0
            rows.append(
                RecordingRow(
                    conversation=one.conversation,
                    path=one.path,
                    ended=present.instant(one.ended_at),
                    duration=round(length, 3),
                    bytes=one.size,
                    expires=None if until is None else present.instant(until),
                    caller=cdr.caller if cdr else "",
                    called=cdr.called if cdr else "",
                )
            )
    finally:
        if records is not None:
            await records.close()
    return rows


def salvage(found: Found, damaged: Path) -> int:
    """Put the readable events of a damaged database into the journal; return how many were read."""
    assert found.data is not None
    return asyncio.run(_salvage(Database(found.url or found.data / DATABASE_FILE), damaged))


async def _salvage(database: Database, damaged: Path) -> int:
    try:
        return await salvage_events(database, damaged)
    finally:
        await database.close()


class Teller:
    """Makes sentences of the events of a running switch; it remembers who is in each conversation."""

    def __init__(self, language: Language, names: Mapping[str, str], running: Iterable[CallRow] = ()) -> None:
        """``names`` gives people's names by extension; ``running`` are the calls whose beginning was missed."""
        self._language, self._names = language, names
        self._conversations = {row["id"]: _beginning(row) for row in running}

    def tell(self, row: EventRow) -> Iterator[str]:
        """Yield the line of one event; none for what is the machine's own affair."""
        record = decode(_body(row))
        if record is None or record.event is None:
            return
        key = row["conversation"] or ""
        # Events of no conversation (a phone registers) have no past that explains them.
        past = self._conversations.setdefault(key, []) if key else []
        before = len(journey(past))
        past.append(record.event)
        for line in journey(past)[before:]:
            yield printable(f"{told(line, self._language, self._names)}{f'  [{key}]' if key else ''}")
        if isinstance(record.event, ConversationEnded):
            self._conversations.pop(key, None)


def _open(found: Found) -> Records:
    assert found.data is not None
    return Records.open(found.data, found.url)


async def _finished(records: Records, limit: int) -> list[CallRow]:
    try:
        return [present.call_row(cdr) for cdr in reversed(await records.conversations(limit))]
    finally:
        await records.close()


async def _show(
    records: Records, beginning: str, language: Language, names: Mapping[str, str]
) -> ConversationView | None:
    try:
        conversation = await records.find(beginning)
        cdr, lines = await records.cdr(conversation), await records.timeline(conversation)
    except NoSuch:
        return None
    finally:
        await records.close()
    return present.conversation_view(cdr, lines, language, names, datetime.now(UTC))


async def _reviews(records: Records, search: ReviewSearch) -> list[ReviewRow]:
    try:
        return [present.review_row(one, cdr) for one, cdr in reversed(await records.reviews(search))]
    finally:
        await records.close()


async def _review(records: Records, beginning: str, employee: str | None) -> ReviewView | None:
    try:
        cdr = await records.cdr(await records.find(beginning))
        return present.review_view(meant(cdr, employee), cdr)
    except NoSuch:
        return None
    finally:
        await records.close()


async def _rebuild(database: Database) -> tuple[int, int]:
    try:
        rebuilt = await rebuild_records(database)
    finally:
        await database.close()
    return rebuilt.events, rebuilt.unread


def _names(found: Found) -> dict[str, str]:
    """Return people's names by extension, as far as the office's file can be read."""
    import tomllib

    try:
        people = tomllib.loads(found.config.read_text(encoding="utf-8-sig")).get("people", {})
    except (OSError, ValueError, RecursionError):
        return {}
    tables = people.items() if isinstance(people, dict) else ()
    return {key: str(one["name"]) for key, one in tables if isinstance(one, dict) and "name" in one}


def _beginning(row: CallRow) -> list[Event]:
    """Return as much of a call's beginning as says whose leg is which."""
    past: list[Event] = []
    for leg in row["legs"]:
        conversation, name = ConversationId(row["id"]), LegId(leg["leg"])
        if leg["role"] == "caller":
            past.append(
                CallArrived(
                    conversation=conversation,
                    leg=name,
                    origin=leg["party"],
                    caller=row["caller"],
                    caller_name=row["caller_name"],
                    called=row["called"],
                    call_id="",
                )
            )
        else:
            offered = LegOffered(
                conversation=conversation, leg=name, party=leg["party"], target=leg["target"], call_id=""
            )
            past.append(offered)
    return past


def _body(row: EventRow) -> str:
    """Return the event as it stands in the journal."""
    head = {"v": VERSION, "kind": row["kind"], "seq": row["seq"], "node": "", "at": row["at"]}
    return json.dumps(head | {"conversation": row["conversation"]} | row["data"])
