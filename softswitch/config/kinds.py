"""The kinds of values that keys of the file have: each checks itself and says what was wrong.

A kind is ``Annotated[type, validator, Noun]``: the noun names it in complaints and
in the reference manual. References (a group, a trunk, a person) are checked against
the ``Names`` of the whole file, so that one pass finds spelling mistakes of every sort.
"""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, PlainValidator, ValidationInfo

from softswitch.config import values
from softswitch.config.settings import Listener, Network
from softswitch.config.values import Wrong
from softswitch.config.words import nearest
from softswitch.dialplan import numbers, patterns
from softswitch.dialplan.codes import KEYS
from softswitch.dialplan.routes import SUPERVISE
from softswitch.directory.people import Role
from softswitch.media.engine import Codec
from softswitch.media.formats import NUMBERS

__all__ = ["Bounds", "Env", "File", "Generated", "Literally", "Names", "Noun", "PasswordSource", "Refused"]

T = TypeVar("T")

EXTENSION = re.compile(r"[0-9]{2,8}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
SHORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


class Refused(ValueError):
    """A validator's complaint on its way through pydantic."""

    def __init__(self, wrong: Wrong) -> None:
        super().__init__(wrong.code)
        self.wrong = wrong


@dataclass(frozen=True, slots=True)
class Names:
    """What the file defines, right or wrong: a reference to a person with a bad ring time is a good reference."""

    people: Collection[str] = ()
    groups: Collection[str] = ()
    trunks: Collection[str] = ()
    skills: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Noun:
    """Which entry of ``words.NOUNS`` names this kind of value."""

    name: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shortest and the longest time of a kind, as they are written."""

    low: str
    high: str


# Where a password comes from -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Env:
    name: str


@dataclass(frozen=True, slots=True)
class File:
    path: str


@dataclass(frozen=True, slots=True)
class Literally:
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Generated:
    """Made by the switch at its first run, kept in the data folder."""


PasswordSource = Env | File | Literally | Generated


# Building blocks -----------------------------------------------------------------------------------------------------


def text(value: Any) -> str:
    """Accept a text; anything else is told so, with the value in quotes as the way out."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 10**15:
        raise Refused(Wrong("not_text", {"hint": "quotes", "quoted": f'"{value}"'}))
    raise Refused(Wrong("not_text", {"noun": "text"}))


def parsed(parse: Callable[[str], T | Wrong], *, unit: str = "") -> PlainValidator:
    """Validate a text by a function that returns the value or what is wrong; ``unit`` is what a bare number lacks."""

    def validate(value: Any) -> T:
        if unit and type(value) is int and 0 <= value < 10**9:
            raise Refused(Wrong("no_unit", {"nearest": f'"{value}{unit}"'}))
        return accepted(parse(text(value)))

    return PlainValidator(validate)


def times(shortest: float, longest: float) -> tuple[PlainValidator, Noun, Bounds]:
    """Return what makes a float a time between two bounds."""
    bounds = Bounds(values.show_duration(shortest), values.show_duration(longest))
    return parsed(values.within(shortest, longest), unit="s"), Noun("time"), bounds


def accepted(result: T | Wrong) -> T:
    if isinstance(result, Wrong):
        raise Refused(result)
    return result


def choice(noun: str, *known: str) -> Callable[[str], str | Wrong]:
    """Accept one of the known words only."""

    def parse(value: str) -> str | Wrong:
        if value in known:
            return value
        return Wrong("not_a", {"noun": noun, "nearest": quoted(nearest(value, known))})

    return parse


def quoted(word: str | None) -> str | None:
    return None if word is None else f'"{word}"'


def reference(kind: str, value: str, known: Collection[str]) -> str:
    """Accept the name of something that the file defines."""
    if value in known:
        return value
    meant = nearest(value, known)
    fault: dict[str, object] = {"kind": kind, "name": value, "nearest": quoted(meant)}
    if meant is None and known:
        fault["known"] = list(known)
    elif not known:
        fault |= {"hint": "none_known", "example": _EXAMPLES[kind]}
    raise Refused(Wrong("no_such", fault))


_EXAMPLES = {
    "person": "[people.101]",
    "group": "[groups.sales]",
    "trunk": "[trunks.provider]",
    "skill": "[skills.tariffs]",
}


def names(info: ValidationInfo) -> Names:
    return info.context if isinstance(info.context, Names) else Names()


def many(value: Any) -> tuple[Any, ...]:
    """Accept a list, or one text for a list of one."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(value)
    raise Refused(Wrong("not_list", {"noun": "list"}))


def distinct(items: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse an item that is there already."""
    for index, item in enumerate(items):
        if item in items[:index]:
            raise Refused(Wrong("listed_twice", {}, at=(index,)))
    return items


def filled(items: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse an empty list."""
    if not items:
        raise Refused(Wrong("empty"))
    return items


# Parsers of single texts ---------------------------------------------------------------------------------------------


def _line(value: str) -> str | Wrong:
    """One line of text for people: what gets into SIP display names must not break a header."""
    line = value.strip()
    if not line:
        return Wrong("empty")
    return line if line.isprintable() and len(line) <= 100 else Wrong("not_a", {"noun": "text"})


def _domain(value: str) -> str | Wrong:
    return values.hostname(value) or Wrong("not_a", {"noun": "domain"})


@lru_cache(maxsize=1)
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())  # reads a folder of six hundred files


def _timezone(value: str) -> str | Wrong:
    known = _timezones()
    if value in known:
        return value
    meant = nearest(value, known) or nearest(value, [zone.rpartition("/")[2] for zone in known])
    full = next((zone for zone in sorted(known) if meant and zone.endswith(meant)), None)
    return Wrong("not_a", {"noun": "timezone", "nearest": quoted(full)})


def _country(value: str) -> str | Wrong:
    if numbers.is_country(value):
        return value
    meant = value.upper() if numbers.is_country(value.upper()) else None
    return Wrong("not_a", {"noun": "country", "nearest": quoted(meant)})


def _area(value: str) -> str | Wrong:
    return value if re.fullmatch(r"[0-9]{1,6}", value) else Wrong("not_a", {"noun": "area"})


def _path(value: str) -> str | Wrong:
    return value if value and value.isprintable() else Wrong("not_a", {"noun": "file"})


def _public(value: str) -> str | Wrong:
    return "auto" if value == "auto" else values.numeric(value) or Wrong("not_a", {"noun": "public"})


def _network(value: str) -> Network | Wrong:
    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError:
        return Wrong("not_a", {"noun": "network"})


def _address(value: str) -> str | Wrong:
    network = _network(value)
    if isinstance(network, Wrong):
        return Wrong("not_a", {"noun": "address"})
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _codec(value: str) -> Codec | Wrong:
    known = {codec.value.lower(): codec for codec in NUMBERS}
    if value.lower() in known:
        return known[value.lower()]
    return Wrong("not_a", {"noun": "codec", "nearest": quoted(nearest(value, [codec.value for codec in NUMBERS]))})


def _pattern(value: str) -> str | Wrong:
    pattern = patterns.parse(value)
    if isinstance(pattern, patterns.BadPattern):
        part = f"\\u{ord(pattern.part):04X}" if pattern.part and not pattern.part.isprintable() else pattern.part
        return Wrong(f"pattern_{pattern.code}", {"part": part, "upper": part.upper(), "noun": "pattern"})
    return value


def _e164(value: str) -> str | Wrong:
    full = numbers.e164(value, "ZZ")
    if value.startswith("+") and full is not None:
        return full
    return Wrong("not_a", {"noun": "e164"})


def _digest(value: str) -> str | Wrong:
    known = ("SHA-256", "MD5")
    meant = {"SHA256": "SHA-256", **{name: name for name in known}}.get(value.upper()) or nearest(value, known)
    return value if value in known else Wrong("not_a", {"noun": "digest", "nearest": quoted(meant)})


def _role(value: str) -> Role | Wrong:
    word = choice("role", *Role)(value)
    return word if isinstance(word, Wrong) else Role(word)


def _keep(value: str) -> float | Wrong | None:
    return None if value == "forever" else values.within(3600.0, 36500 * 86400.0)(value)


def _questions(value: str) -> float | Wrong | None:
    return None if value == "off" else values.within(5.0, 3600.0)(value)


def _code(value: str) -> str | Wrong:
    return value if not value or re.fullmatch(r"[*#][0-9*#]{1,7}", value) else Wrong("not_a", {"noun": "code"})


def _skill_number(value: str) -> str | Wrong:
    return value if re.fullmatch(r"[0-9]{1,3}", value) else Wrong("not_a", {"noun": "skill_number"})


def _key(value: str) -> str | Wrong:
    return value if re.fullmatch(r"[0-9*#]?", value) else Wrong("not_a", {"noun": "key"})


def _keys(value: Any) -> Mapping[str, str]:
    """Accept { 4 = "listen", … }: what each key does."""
    if not isinstance(value, dict):
        raise Refused(Wrong("not_table", {"noun": "keys"}))
    known = sorted(set(KEYS.values()))
    for key, word in value.items():
        if not re.fullmatch(r"[0-9*#]", key):
            raise Refused(Wrong("no_key", {"name": key[:20], "noun": "keys"}, at=(key,)))
        if word not in known:
            near = quoted(nearest(word, known)) if isinstance(word, str) else None
            raise Refused(Wrong("not_a", {"noun": "key_word", "nearest": near, "known": known}, at=(key,)))
    return MappingProxyType(dict(value))


# Kinds that look around ----------------------------------------------------------------------------------------------


def _person(value: Any, info: ValidationInfo) -> str:
    return reference("person", text(value), names(info).people)


def _group(value: Any, info: ValidationInfo) -> str:
    return reference("group", text(value), names(info).groups)


def _skill(value: Any, info: ValidationInfo) -> str:
    return reference("skill", text(value), names(info).skills)


def _trunk(value: Any, info: ValidationInfo) -> str:
    return reference("trunk", text(value), names(info).trunks)


def _destination(value: Any, info: ValidationInfo) -> str:
    """Accept "person:101" and "supervise", the destinations of this version."""
    if value == SUPERVISE:
        return SUPERVISE
    kind, colon, name = text(value).partition(":")
    known = names(info).people
    if not colon:
        meant = kind if kind in known else nearest(kind, known)
        suggestion = quoted(f"person:{meant}" if meant else nearest(kind, [SUPERVISE]))
        raise Refused(Wrong("not_a", {"noun": "destination", "nearest": suggestion}))
    if kind in ("queue", "ivr", "voicemail", "callback", "plan", "group"):
        raise Refused(Wrong("later", {"thing": f'"{kind}:"', "expected": '"person:101"'}))
    if kind != "person":
        near = quoted(f"person:{name}") if nearest(kind, ["person"]) else None
        raise Refused(Wrong("destination_kind", {"name": kind, "nearest": near, "expected": '"person:101"'}))
    return f"person:{reference('person', name, known)}"


def _threads(value: Any) -> int | None:
    if value == "auto":
        return None
    if type(value) is int and 1 <= value <= 64:
        return value
    raise Refused(Wrong("not_a", {"noun": "threads"}))


def password_source(value: Any) -> PasswordSource:
    """Accept { env = "NAME" }, { file = "path" }, "generate" or the password itself."""
    match value:
        case "generate":
            return Generated()
        case str():
            if value:
                return Literally(value)
            raise Refused(Wrong("empty", {"noun": "password"}))
        case {"env": str() as name, **rest} if not rest and VARIABLE.fullmatch(name):
            return Env(name)
        case {"file": str() as path, **rest} if not rest and path and path.isprintable():
            return File(path)
        case dict():
            for key in value:
                if key not in ("env", "file"):
                    near = quoted(nearest(str(key), ("env", "file")))
                    raise Refused(Wrong("unknown_key", {"nearest": near, "known": ["env", "file"]}, at=(key,)))
    at = tuple(value) if isinstance(value, dict) and len(value) == 1 else ()
    raise Refused(Wrong("not_a", {"noun": "password"}, at=at))


def _pin(value: Any) -> Env | File | Literally:
    """Accept { env = "NAME" }, { file = "path" } or the PIN itself: a number in quotes."""
    source = password_source(value if isinstance(value, dict) else text(value))
    if isinstance(source, Generated):
        raise Refused(Wrong("not_a", {"noun": "pin"}))
    return source


def _database(value: Any) -> str | Env | File:
    match value:
        case "sqlite":
            return "sqlite"
        case str() if re.match(r"postgres(ql)?://.", value) and value.isprintable():
            return value
        case dict():
            source = password_source(value)
            if isinstance(source, Env | File):
                return source
        case str():
            raise Refused(Wrong("not_a", {"noun": "database", "nearest": quoted(nearest(value, ["sqlite"]))}))
    raise Refused(Wrong("not_a", {"noun": "database"}))


# The kinds -----------------------------------------------------------------------------------------------------------

Line = Annotated[str, parsed(_line), Noun("text")]
UserName = Annotated[str, parsed(_line), Noun("user")]
Domain = Annotated[str, parsed(_domain), Noun("domain")]
LanguageWord = Annotated[Literal["en", "ru"], parsed(choice("language", "en", "ru")), Noun("language")]
Timezone = Annotated[str, parsed(_timezone), Noun("timezone")]
Country = Annotated[str, parsed(_country), Noun("country")]
Area = Annotated[str, parsed(_area), Noun("area")]
FilePath = Annotated[str, parsed(_path), Noun("file")]
DatabaseUrl = Annotated[str | Env | File, PlainValidator(_database), Noun("database")]
Lifetime = Annotated[float, *times(60.0, 86400.0)]
Refresh = Annotated[float, *times(10.0, 3600.0)]
KeepAlive = Annotated[float, *times(2.0, 300.0)]
# RFC 4028 section 5: no session timer may be shorter than 90 seconds.
SessionTimer = Annotated[float, *times(90.0, 86400.0)]
TrunkPatience = Annotated[float, *times(0.5, 32.0)]
TrunkQuestions = Annotated[float | None, parsed(_questions, unit="s"), Noun("interval")]
Silence = Annotated[float, *times(5.0, 3600.0)]
TurnTime = Annotated[float, *times(3.0, 120.0)]
RingTime = Annotated[float, *times(2.0, 600.0)]
Keep = Annotated[float | None, parsed(_keep, unit="d"), Noun("time")]
Ports = Annotated[tuple[int, int], parsed(values.ports), Noun("ports")]
Threads = Annotated[int | None, PlainValidator(_threads), Noun("threads")]
Public = Annotated[str, parsed(_public), Noun("public")]
Server = Annotated[tuple[str, int | None], parsed(values.server), Noun("server")]
WebListener = Annotated[tuple[str, int], parsed(values.web_listener), Noun("web_listener")]
Origin = Annotated[str, parsed(values.origin), Noun("origin")]
TransportWord = Annotated[Literal["udp", "tcp"], parsed(choice("transport", "udp", "tcp")), Noun("transport")]
DisclosureWord = Annotated[
    Literal["none", "employee", "customer", "both"],
    parsed(choice("disclosure", "none", "employee", "customer", "both")),
    Noun("disclosure"),
]
DigitsWord = Annotated[
    Literal["auto", "info", "sound"], parsed(choice("digits", "auto", "info", "sound")), Noun("digits")
]
MusicWord = Annotated[
    Literal["order", "shuffle", "together"],
    parsed(choice("music_play", "order", "shuffle", "together")),
    Noun("music_play"),
]
TurnWord = Annotated[Literal["in turn", "all"], parsed(choice("turn", "in turn", "all")), Noun("turn")]
SkillNumber = Annotated[str, parsed(_skill_number), Noun("skill_number")]
What = Annotated[Literal["all", "none"], parsed(choice("what", "all", "none")), Noun("what")]
RoleWord = Annotated[Role, parsed(_role), Noun("role")]
Code = Annotated[str, parsed(_code), Noun("code")]
Key = Annotated[str, parsed(_key), Noun("key")]
Keys = Annotated[Mapping[str, str], PlainValidator(_keys), Noun("keys")]
NumberPattern = Annotated[str, parsed(_pattern), Noun("pattern")]
E164 = Annotated[str, parsed(_e164), Noun("e164")]
Password = Annotated[PasswordSource, PlainValidator(password_source), Noun("password")]
Pin = Annotated[Env | File | Literally, PlainValidator(_pin), Noun("pin")]
TrunkRef = Annotated[str, PlainValidator(_trunk), Noun("trunk")]
Destination = Annotated[str, PlainValidator(_destination), Noun("destination")]

_LIST = (BeforeValidator(many), AfterValidator(distinct))
Listeners = Annotated[
    tuple[Annotated[Listener, parsed(values.listener)], ...], *_LIST, AfterValidator(filled), Noun("listener")
]
Networks = Annotated[tuple[Annotated[Network, parsed(_network)], ...], *_LIST, Noun("network")]
Addresses = Annotated[tuple[Annotated[str, parsed(_address)], ...], *_LIST, Noun("address")]
Codecs = Annotated[tuple[Annotated[Codec, parsed(_codec)], ...], *_LIST, AfterValidator(filled), Noun("codec")]
Digests = Annotated[tuple[Annotated[str, parsed(_digest)], ...], *_LIST, AfterValidator(filled), Noun("digest")]
Devices = Annotated[tuple[Annotated[str, parsed(choice("device", "phone"))], ...], *_LIST, Noun("device")]
People = Annotated[tuple[Annotated[str, PlainValidator(_person)], ...], *_LIST, Noun("extension")]
Groups = Annotated[tuple[Annotated[str, PlainValidator(_group)], ...], *_LIST, Noun("group")]
Skills = Annotated[tuple[Annotated[str, PlainValidator(_skill)], ...], *_LIST, Noun("skill")]
Trunks = Annotated[tuple[Annotated[str, PlainValidator(_trunk)], ...], *_LIST, AfterValidator(filled), Noun("trunk")]
