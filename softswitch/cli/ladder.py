"""A SIP ladder in text: who sent what to whom, one message a line, lifelines between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from softswitch.api.views import LadderEntry, LadderView
from softswitch.log import printable

__all__ = ["draw", "message"]

NARROWEST = 16
WIDEST = 40
MARGIN = 14
"""Characters before the first column: the time."""


def draw(view: LadderView, zone: tzinfo | None = None) -> list[str]:
    """Return the lines of the drawing, times in ``zone`` (None: the machine's own)."""
    columns = [printable(name) for name in view["columns"]]
    entries = [entry for entry in view["entries"] if {entry["source"], entry["target"]} <= set(view["columns"])]
    step = _step(columns, view["columns"], entries)
    centers = [MARGIN + step // 2 + step * index for index in range(len(columns))]
    lines = [_header(columns, centers, step)]
    for entry in entries:
        source, target = view["columns"].index(entry["source"]), view["columns"].index(entry["target"])
        lines.append(_line(_clock(entry["at"], zone), centers, source, target, _label(entry["summary"])))
    return lines


def _step(columns: Sequence[str], names: Sequence[str], entries: Sequence[LadderEntry]) -> int:
    """Return the distance of two columns: wide enough for the labels, as far as a terminal allows."""
    needed = max((len(name) + 3 for name in columns), default=NARROWEST)
    for entry in entries:
        hops = abs(names.index(entry["source"]) - names.index(entry["target"])) or 1
        needed = max(needed, (len(_label(entry["summary"])) + 6) // hops)
    return min(max(needed, NARROWEST), WIDEST)


def _label(summary: str) -> str:
    """Return the start line as it fits on an arrow: without the parameters of a URI."""
    return printable(summary if summary[:3].isdecimal() else summary.partition(";")[0])


def _header(columns: Sequence[str], centers: Sequence[int], step: int) -> str:
    line = ""
    for name, center in zip(columns, centers, strict=True):
        short = name if len(name) < step else name[: step - 4] + "..."
        line = line.ljust(center - len(short) // 2) + short
    return line


def _line(clock: str, centers: Sequence[int], source: int, target: int, label: str) -> str:
    cells = list(" " * ((centers[-1] if centers else MARGIN) + 1))
    for center in centers:
        cells[center] = "│"
    if source == target:
        # A message to ourselves has no arrow to stand on.
        line = "".join(cells)[: centers[source] + 1] + " ↺ " + label
        return clock.ljust(MARGIN) + line[MARGIN:]
    left, right = sorted((centers[source], centers[target]))
    cells[left + 1 : right] = "─" * (right - left - 1)
    cells[right - 1 if source < target else left + 1] = "▶" if source < target else "◀"
    room = right - left - 5
    text = label if len(label) <= room else label[: max(room - 3, 0)] + "..."
    begin = left + 1 + (right - left - 1 - len(text) - 2) // 2
    cells[begin : begin + len(text) + 2] = f" {text} "
    return clock.ljust(MARGIN) + "".join(cells)[MARGIN:]


def _clock(at: str, zone: tzinfo | None) -> str:
    try:
        local = datetime.fromisoformat(at).astimezone(zone)
    except ValueError:
        return printable(at)[: MARGIN - 2]
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


def message(entry: LadderEntry) -> str:
    """Return one whole message, each of its lines made printable and indented."""
    head = f"{printable(entry['source'])} → {printable(entry['target'])}"
    lines = entry["text"].replace("\r\n", "\n").rstrip("\n").split("\n")
    return "\n".join([head, *(f"    {printable(line)}" for line in lines)])
