"""The people of the office and how they may be reached; an immutable snapshot of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Literal

__all__ = ["Directory", "Group", "Person", "Role", "Skill"]


class Role(StrEnum):
    EMPLOYEE = "employee"
    HEAD = "head"
    DIRECTOR = "director"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """``ha1`` is the password in the only forms that digest needs (RFC 8760), by algorithm: "MD5", "SHA-256".

    ``ring`` is how long the devices ring, in seconds, before "no answer".
    ``outside`` is the E.164 number shown on calls through a trunk, None for the rule's own.
    ``monitored`` False: nobody supervises this person or hears recordings of him.
    ``whisper_customer``: as a head he may whisper to customers.
    ``digits``: how digits of others are sent to the phone where "auto" would be wrong, see ``calls.leg.Media``.
    ``skills`` are the keys of what colleagues may ask his help for.
    ``pin`` is what he types to supervise from any telephone, "" if he may not.
    """

    extension: str
    name: str
    role: Role = Role.EMPLOYEE
    groups: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("phone",)
    ha1: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    ring: float = 60.0
    outside: str | None = None
    record: bool | None = None
    monitored: bool = True
    whisper_customer: bool = False
    digits: Literal["auto", "info", "sound"] = "auto"
    skills: tuple[str, ...] = ()
    pin: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """``disclosure``: who hears it when a supervisor joins a conversation of the group, and what: ``announcement``,
    a sound file, or without it two short beeps. ``shown``: its people see in the records who supervised them.
    """

    key: str
    name: str
    heads: tuple[str, ...] = ()
    disclosure: Literal["none", "employee", "customer", "both"] = "none"
    announcement: Path | None = None
    shown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """What help may be asked for. ``number`` stands behind the feature code, "" if it cannot be dialled.

    ``ring``: the free ones who have it are rung one after another, ``each`` for so many seconds, or all at once.
    """

    key: str
    name: str
    number: str = ""
    ring: Literal["in turn", "all"] = "in turn"
    each: float = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """People by extension, groups and skills by key."""

    people: Mapping[str, Person]
    groups: Mapping[str, Group]
    skills: Mapping[str, Skill] = field(default_factory=lambda: MappingProxyType({}))
