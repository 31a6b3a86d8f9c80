"""What changes from one configuration to the next, in sentences for the person who reloads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from softswitch.config.settings import Language, Settings, WebOptions
from softswitch.config.values import show_duration
from softswitch.dialplan.routes import Inbound, Outbound

__all__ = ["RESTART", "diff"]

RESTART = frozenset(
    {
        "switch.domain",
        "switch.data",
        "switch.database",
        "sip.listen",
        "rtp.ports",
        "rtp.threads",
        "recording.folder",
        "web.listen",
        "web.origin",
        "web.proxies",
    }
)
"""Keys whose new value is taken at the next start: they are sockets, threads and files that calls stand on."""

_WORDS: dict[str, tuple[str, str]] = {
    "added": ("added", "добавлено"),
    "removed": ("removed", "удалено"),
    "changed": ("changed", "изменено"),
    "order": ("the order of the rules changed", "порядок правил изменён"),
    "restart": ("needs a restart", "нужен перезапуск"),
}

_KEYS = {"groups": "group", "heads": "head", "caller": "as", "ha1": "password"}
"""Words of the settings that differ from those of the file."""

_SECONDS = frozenset({"expires", "expires_min", "keep_alive", "session_expires", "timeout", "ring", "each", "keep"})


def diff(old: Settings, new: Settings, language: Language = "en") -> list[str]:
    """Return one sentence per change, in the order of the file; empty if nothing changes. No secret is in it."""
    return _Diff(language).settings(old, new)


class _Diff:
    def __init__(self, language: Language) -> None:
        self._column = language == "ru"
        self._lines: list[str] = []

    def settings(self, old: Settings, new: Settings) -> list[str]:
        for table in ("switch", "sip", "rtp", "recording"):
            self._fields(table, _plain(getattr(old, table)), _plain(getattr(new, table)))
        self._web(old.web, new.web)
        self._fields("codes", {**_plain(old.codes), "keys": old.keys}, {**_plain(new.codes), "keys": new.keys})
        for name in ("country", "area"):
            self._fields("switch", {name: getattr(old.plan, name)}, {name: getattr(new.plan, name)})
        self._things("people", old.directory.people, new.directory.people, lambda one: one.name)
        self._things("groups", old.directory.groups, new.directory.groups, lambda one: one.name)
        self._things("skills", old.directory.skills, new.directory.skills, lambda one: one.name)
        self._things("trunks", old.plan.trunks, new.plan.trunks, lambda one: one.host)
        for name in sorted(old.plan.trunks.keys() & new.plan.trunks.keys()):
            before, after = old.accounts.get(name), new.accounts.get(name)
            if before and after and before.password != after.password:
                self._lines.append(f"trunks.{name}.account.password {self._say('changed')}")
        self._rules("inbound", old.plan.inbound, new.plan.inbound)
        self._rules("outbound", old.plan.outbound, new.plan.outbound)
        return self._lines

    def _web(self, old: WebOptions | None, new: WebOptions | None) -> None:
        if old is not None and new is not None:
            self._fields("web", _plain(old), _plain(new))
        elif old is not None or new is not None:
            self._lines.append(f"web {self._say('added' if old is None else 'removed')} ({self._say('restart')})")

    def _things(self, table: str, old: Mapping[str, Any], new: Mapping[str, Any], label: Callable[[Any], str]) -> None:
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in new:
                self._lines.append(f"{table}.{key} {self._say('removed')}: {label(old[key])}")
            elif key not in old:
                self._lines.append(f"{table}.{key} {self._say('added')}: {label(new[key])}")
            else:
                self._fields(f"{table}.{key}", _plain(old[key]), _plain(new[key]))

    def _fields(self, table: str, old: Mapping[str, object], new: Mapping[str, object]) -> None:
        for name, before in old.items():
            after = new[name]
            if before == after:
                continue
            key = f"{table}.{name}"
            if name in ("password", "pin", "database"):  # a database's URL has a password in it
                line = f"{key} {self._say('changed')}"
            else:
                line = f"{key}: {_shown(name, before)} -> {_shown(name, after)}"
            self._lines.append(f"{line} ({self._say('restart')})" if key in RESTART else line)

    def _rules(self, table: str, old: Sequence[Inbound | Outbound], new: Sequence[Inbound | Outbound]) -> None:
        for rule in old:
            if rule not in new:
                self._lines.append(f"{table} {self._say('removed')}: {_rule(rule)}")
        for rule in new:
            if rule not in old:
                self._lines.append(f"{table} {self._say('added')}: {_rule(rule)}")
        if [rule for rule in old if rule in new] != [rule for rule in new if rule in old]:
            self._lines.append(f"{table}: {self._say('order')}")

    def _say(self, word: str) -> str:
        return _WORDS[word][self._column]


def _plain(settings: Any) -> dict[str, object]:
    """Return the fields by the words of the file; derived and naming fields are left out."""
    values = {_KEYS.get(one.name, one.name): getattr(settings, one.name) for one in fields(settings)}
    for name in ("key", "extension"):
        values.pop(name, None)
    if isinstance(settings, WebOptions):
        values = {"listen": settings.listen, "origin": settings.origin, "proxies": settings.proxies}
    if "host" in values:
        if values["keep_alive"] is None:
            values["keep_alive"] = "off"
        values = {"server": f"{values.pop('host')}:{values.pop('port')}", **values}
        values.pop("name")
    if "port_low" in values:
        values = {"ports": f"{values.pop('port_low')}-{values.pop('port_high')}", **values}
    return values


def _shown(name: str, value: object) -> str:
    match value:
        case None:
            return {"threads": "auto", "public": "auto", "keep": "forever"}.get(name, "none")
        case bool():
            return str(value).lower()
        case float() if name in _SECONDS:
            return show_duration(value)
        case tuple() | list():
            return ", ".join(str(item) for item in value) or "none"
        case Path():
            return str(value)
        case _:
            return str(value) or "none"


def _rule(rule: Inbound | Outbound) -> str:
    if isinstance(rule, Inbound):
        return f"{rule.number} -> {rule.to}" + (f" ({rule.trunk})" if rule.trunk else "")
    return f"{rule.number} -> {', '.join(rule.trunks)}" + (f" as {rule.caller}" if rule.caller else "")
