"""The tables: the journal itself, and what is computed from it and can be computed again.

``events`` is the truth and only grows. ``conversations``, ``legs``,
``recordings``, ``reviews``, ``review_comments`` and ``bindings`` are projections: ``softswitch rebuild`` drops
them and makes them anew from ``events``, row for row the same. ``web_passwords``
and ``web_grants`` are neither: who may come in over the API, in no event, since
the journal is read by more people than may know it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

__all__ = [
    "PROJECTIONS",
    "VERSION",
    "bindings",
    "conversations",
    "events",
    "legs",
    "meta",
    "metadata",
    "recordings",
    "review_comments",
    "reviews",
    "web_grants",
    "web_passwords",
]

VERSION = 1


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite knows no time zones and would give it back naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo is UTC else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        assert isinstance(value, datetime)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))

events = Table(
    "events",
    metadata,
    Column("node", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String, nullable=False),
    Column("conversation", String),
    Column("body", Text, nullable=False),
    Index("events_of_conversation", "conversation", "seq"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("conversation", String, primary_key=True),
    Column("node", String, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("origin", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("caller_name", Text, nullable=False),
    Column("withheld", Boolean, nullable=False),
    Column("called", Text, nullable=False),
    Column("routed_to", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("answered_at", UtcDateTime),
    Column("answered_by", Text, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("result", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("wait", Float, nullable=False),
    Column("ring", Float, nullable=False),
    Column("talk", Float, nullable=False),
    Column("hold", Float, nullable=False),
    Column("recording", Text, nullable=False),
    Index("conversations_started", "started_at", "conversation"),
    Index("conversations_open", "ended_at"),
)

legs = Table(
    "legs",
    metadata,
    Column("conversation", String, primary_key=True),
    Column("leg", String, primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("role", String, nullable=False),
    Column("party", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ringing_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("setup", Float, nullable=False),
    Column("ring", Float, nullable=False),
    Column("talk", Float, nullable=False),
    Column("hold", Float, nullable=False),
    Column("codec", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("status", BigInteger, nullable=False),
    Column("remote", Boolean),
    Column("received", BigInteger),
    Column("sent", BigInteger),
    Column("lost", BigInteger),
    Column("late", BigInteger),
    Column("concealed", BigInteger),
    Column("bad_source", BigInteger),
    Column("jitter", Float),
    Column("round_trip", Float),
)

recordings = Table(
    "recordings",
    metadata,
    Column("conversation", String, primary_key=True),
    Column("path", String, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("duration", Float),
    Column("repaired", Boolean, nullable=False),
    Column("error", Text, nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("conversation", String, primary_key=True),
    Column("employee", String, primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("note", Text, nullable=False),
    Column("mark", BigInteger),
    Column("marked_by", Text, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_by", Text, nullable=False),
    Column("comments", BigInteger, nullable=False),
    Index("reviews_asked", "asked_at", "conversation", "employee"),
    Index("reviews_open", "closed_at"),
)

review_comments = Table(
    "review_comments",
    metadata,
    Column("conversation", String, primary_key=True),
    Column("employee", String, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", Text, nullable=False),
    Column("recording", BigInteger, nullable=False),
    Column("position", Float),
    Column("text", Text, nullable=False),
)

bindings = Table(
    "bindings",
    metadata,
    Column("person", String, primary_key=True),
    Column("contact", String, primary_key=True),
    Column("node", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("transport", Text, nullable=False),
    Column("remote_host", Text, nullable=False),
    Column("remote_port", BigInteger, nullable=False),
    Column("local_host", Text, nullable=False),
    Column("local_port", BigInteger, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("cseq", BigInteger, nullable=False),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("reachable", Boolean, nullable=False),
)

web_passwords = Table(
    "web_passwords",
    metadata,
    Column("person", String, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
)

web_grants = Table(
    "web_grants",
    metadata,
    Column("id", String, primary_key=True),
    Column("digest", String, nullable=False, unique=True),
    Column("person", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
)

PROJECTIONS = (conversations, legs, recordings, reviews, review_comments, bindings)
