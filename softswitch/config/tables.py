"""The file as checked tables: each right one is here, each wrong one has become complaints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from softswitch.config import words
from softswitch.config.faults import Complaints
from softswitch.config.kinds import EXTENSION, SHORT_NAME, Names, quoted
from softswitch.config.positions import Path
from softswitch.config.schema import (
    CodesTable,
    GroupTable,
    InboundTable,
    OutboundTable,
    PersonTable,
    RecordingTable,
    RtpTable,
    SipTable,
    SkillTable,
    SwitchTable,
    Table,
    TrunkTable,
    WebTable,
)

__all__ = ["Tables"]

M = TypeVar("M", bound=Table)

KNOWN = (
    "switch",
    "sip",
    "rtp",
    "recording",
    "web",
    "codes",
    "people",
    "groups",
    "skills",
    "trunks",
    "inbound",
    "outbound",
)


class Tables:
    """One attribute per table; None or absent where the file was wrong. A bad table hides no fault of another."""

    def __init__(self, raw: Mapping[str, Any], to: Complaints) -> None:
        self._raw, self._to = raw, to
        for name in raw:
            if name not in KNOWN:
                self._unknown(name)
        self._names = Names(*(self._keys(name) for name in ("people", "groups", "trunks", "skills")))
        if "switch" not in raw:
            to.add(("switch",), "missing_table", expected='[switch] with name = "…" and domain = "…"')
        self.switch = self._table(("switch",), raw.get("switch"), SwitchTable)
        self.sip = self._table(("sip",), raw.get("sip", {}), SipTable)
        self.rtp = self._table(("rtp",), raw.get("rtp", {}), RtpTable)
        self.recording = self._table(("recording",), raw.get("recording", {}), RecordingTable)
        self.web = self._table(("web",), raw.get("web"), WebTable)
        self.codes = self._table(("codes",), raw.get("codes", {}), CodesTable)
        self.people = self._named("people", PersonTable)
        self.groups = self._named("groups", GroupTable)
        self.skills = self._named("skills", SkillTable)
        self.trunks = self._named("trunks", TrunkTable)
        self.inbound = self._listed("inbound", InboundTable)
        self.outbound = self._listed("outbound", OutboundTable)
        if not raw.get("people", {}):
            to.warn(("people",), "no_people", hint="none_known", example="[people.101]")

    def _table(self, path: Path, value: Any, model: type[M]) -> M | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            self._to.add(path, "not_table", value, noun="table")
            return None
        try:
            return model.model_validate(value, context=self._names)
        except ValidationError as error:
            self._to.refused(path, error, model)
            return None

    def _named(self, name: str, model: type[M]) -> dict[str, M]:
        """Check the tables of a mapping, and their names."""
        tables = self._raw.get(name, {})
        if not isinstance(tables, dict):
            self._to.add((name,), "not_table", tables, expected=model.header)
            return {}
        checked = {}
        for key, value in tables.items():
            if name == "people" and not EXTENSION.fullmatch(key):
                self._to.add((name, key), "not_a", key, at_key=True, noun="extension")
            elif not SHORT_NAME.fullmatch(key):
                self._to.add((name, key), "not_a", key, at_key=True, noun="name")
            table = self._table((name, key), value, model)
            if table is not None:
                checked[key] = table
        return checked

    def _listed(self, name: str, model: type[M]) -> dict[int, M]:
        """Check the tables of a list; the key is the index in the file."""
        tables = self._raw.get(name, [])
        if not isinstance(tables, list):
            code = "not_tables" if not isinstance(tables, dict) else "not_list"
            self._to.add((name,), code, tables, expected=model.header)
            return {}
        checked = {index: self._table((name, index), value, model) for index, value in enumerate(tables)}
        return {index: table for index, table in checked.items() if table is not None}

    def _keys(self, name: str) -> tuple[str, ...]:
        tables = self._raw.get(name, {})
        return tuple(tables) if isinstance(tables, dict) else ()

    def _unknown(self, name: str) -> None:
        if name in words.LATER:
            self._to.add((name,), "later", at_key=True, table=name)
            return
        code = "unknown_table" if isinstance(self._raw[name], dict | list) else "unknown_key"
        near = quoted(words.nearest(name, KNOWN))
        self._to.add((name,), code, at_key=True, nearest=near, known=list(KNOWN))
