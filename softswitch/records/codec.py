"""Events as JSON: what stands in the journal for years.

    {"v":1,"kind":"LegAnswered","seq":7,"node":"n","at":"2026-11-23T09:00:00.000000+00:00","up":81.204,
     "conversation":"…","leg":"…"}

Reading is lenient, because the writer may be an older or a newer version: an
unknown field is ignored, a missing or impossible one has its default or the
zero of its type, and an unknown kind is a record without an event, which stays
in the journal as it is.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as _quote
from operator import attrgetter
from typing import Any, NamedTuple, Union

from softswitch.events import EVENTS, NO_TIME, Event
from softswitch.ids import ConversationId, NodeId

__all__ = ["VERSION", "Record", "decode", "stamp"]

VERSION = 1

_COMMON = ("seq", "node", "at", "up", "conversation")


class Record(NamedTuple):
    """One line of the journal. ``event`` is None if this version does not know its kind."""

    seq: int
    node: NodeId
    at: datetime
    kind: str
    conversation: ConversationId | None
    body: str
    event: Event | None


def stamp(event: Event, seq: int, node: NodeId, at: datetime, up: float = 0.0) -> Record:
    """Number an event: returns it with ``seq``, ``node``, ``at`` and ``up`` filled in, and as JSON in ASCII.

    What the returned event says is what ``decode`` reads from ``body``. Never raises.
    """
    kind, up = type(event), round(up, 3)
    fields = _FIELDS[kind.__name__]
    values, conversation = fields.get(event), event.conversation
    try:
        body = fields.template % (
            seq,
            _quote(node),
            at.isoformat(timespec="microseconds"),
            up,
            "null" if conversation is None else _quote(conversation),
            *[write(value) for write, value in zip(fields.writers, values, strict=True)],
        )
    except (TypeError, ValueError, OverflowError, AttributeError):
        return _stamp_odd(event, seq, node, at, up)
    rest: dict[str, Any] = dict(zip(fields.names, values, strict=True))
    stamped = kind(seq=seq, node=node, at=at, up=up, conversation=conversation, **rest)
    return Record(seq, node, at, kind.__name__, conversation, body, stamped)


def _stamp_odd(event: Event, seq: int, node: NodeId, at: datetime, up: float) -> Record:
    """Number an event that has a value its field should not have had: it is kept as well as JSON can."""
    kind = type(event).__name__
    values = {name: _plain(getattr(event, name)) for name in _FIELDS[kind].names}
    head = {"v": VERSION, "kind": kind, "seq": seq, "node": node, "at": _plain(at), "up": _plain(up)}
    body = json.dumps(head | {"conversation": _plain(event.conversation)} | values, separators=(",", ":"))
    return decode(body) or Record(seq, node, at, kind, None, body, None)


def decode(body: str | bytes) -> Record | None:
    """Read one record; None if it is not one at all. Never raises."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not isinstance(values.get("kind"), str):
        return None
    seq, at = _integer(values.get("seq")), _time(values.get("at"))
    node, conversation = NodeId(_text(values.get("node"))), values.get("conversation")
    conversation = ConversationId(conversation) if isinstance(conversation, str) else None
    name = values["kind"]
    text = body if isinstance(body, str) else body.decode("utf-8", "surrogatepass")
    event: Event | None = None
    fields = _FIELDS.get(name)
    if fields is not None:
        given = {key: read(values[key]) for key, read in fields.readers if key in values}
        up = _real(values.get("up"))
        event = fields.kind(seq=seq, node=node, at=at, up=up, conversation=conversation, **(fields.zeros | given))
    return Record(seq, node, at, name, conversation, text, event)


# Reading and writing of single values -------------------------------------------------------------------------------


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and value % 1):
        return 0
    return int(value) if math.isfinite(value) else 0


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    try:
        return float(value) if math.isfinite(value) else 0.0
    except OverflowError:
        return 0.0


def _truth(value: object) -> bool:
    return value is True


def _time(value: object) -> datetime:
    try:
        at = datetime.fromisoformat(_text(value))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return NO_TIME


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()


def _write_real(value: Any) -> str:
    if value - value != 0:
        raise ValueError("JSON has no infinity")
    return float.__repr__(float(value))


def _write_truth(value: object) -> str:
    if value is not True and value is not False:
        raise TypeError
    return "true" if value else "false"


def _write_time(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a time without zone")
    return f'"{(value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat()}"'


def _write_texts(value: object) -> str:
    if not isinstance(value, tuple):
        raise TypeError
    return f"[{','.join(map(_quote, value))}]"


class _Form(NamedTuple):
    """How a value of one type is read and written. ``write`` raises for a value of another type."""

    read: Callable[[object], Any]
    write: Callable[[Any], str]


_FORMS: dict[object, _Form] = {
    str: _Form(_text, _quote),
    int: _Form(_integer, int.__repr__),
    float: _Form(_real, _write_real),
    bool: _Form(_truth, _write_truth),
    datetime: _Form(_time, _write_time),
    tuple[str, ...]: _Form(_texts, _write_texts),
}


def _form(kind: Any) -> _Form:
    """Return how a field of this type is read and written."""
    kind = getattr(kind, "__supertype__", kind)
    if typing.get_origin(kind) is typing.Literal:
        return _FORMS[str]  # a newer version may know more words
    if typing.get_origin(kind) in (Union, types.UnionType):
        (inner,) = (_form(part) for part in typing.get_args(kind) if part is not type(None))
        return _Form(
            lambda value: None if value is None else inner.read(value),
            lambda value: "null" if value is None else inner.write(value),
        )
    return _FORMS[kind]


def _plain(value: object) -> object:
    """Return something that JSON can hold: the slow way for values that a field should not have had."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


class _Fields:
    """How the fields of one kind are read and written, found out once."""

    def __init__(self, kind: type[Event]) -> None:
        self.kind = kind
        hints = typing.get_type_hints(kind)
        own = [field for field in dataclasses.fields(kind) if field.name not in _COMMON]
        forms = {field.name: _form(hints[field.name]) for field in own}
        self.names = tuple(forms)
        self.get = _getter(self.names)
        self.writers = tuple(form.write for form in forms.values())
        self.readers = tuple((name, form.read) for name, form in forms.items())
        self.zeros = {field.name: forms[field.name].read(None) for field in own if field.default is dataclasses.MISSING}
        rest = "".join(f',"{name}":%s' for name in self.names)
        self.template = (
            f'{{"v":{VERSION},"kind":"{kind.__name__}","seq":%d,"node":%s,"at":"%s","up":%.3f,"conversation":%s{rest}}}'
        )


def _getter(names: tuple[str, ...]) -> Callable[[Event], tuple[Any, ...]]:
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda event: (get(event),)


_FIELDS = {name: _Fields(kind) for name, kind in EVENTS.items()}
