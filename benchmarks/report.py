"""Tables for people and JSON for programs, out of the same results."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.whole_switch import Results

WIDTH = 160
"""Columns of the tables; a terminal that has fewer wraps them, which is better than hidden figures."""


def show(results: Results, console: Console) -> None:
    """Print what was measured; medians where there were several windows."""
    console.print("; ".join(f"{name} {value}" for name, value in results.machine.items()))
    if results.bridged:
        console.print(_bridged(results))
        console.print(
            "cpu: milliseconds of one core per call and second, the whole process; relay: the same divided by the "
            "C relay's in this run at the nearest number of calls. delay: added by the switch, send to receive. "
            "late p99: how late our own packets left. loop: CPU milliseconds of a million turns of a Python loop, "
            "the machine's speed just then."
        )
    if results.signalling:
        console.print(_signalling(results))
    for one in results.registering:
        console.print(
            f"registrations with digest: {one.per_second:.0f} a second, {one.failed} failed, {one.cpu:.2f} ms each, "
            f"p50 {one.p50:.1f} ms, p99 {one.p99:.1f} ms, memory {one.rss_before:.0f} -> {one.rss_after:.0f} MB"
        )


def _bridged(results: Results) -> Table:
    table = Table(title="calls with sound, G.711, 20 ms")
    for name in (
        "what",
        "calls",
        "up",
        "cpu",
        "x relay",
        "delay p50",
        "p99",
        "lost",
        "of",
        "kB/call",
        "set-up p50",
        "p99",
    ):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name in ("late p99", "loop", "faults"):
        table.add_column(name)
    relays = {one.calls: one.cpu for one in results.bridged if one.what.startswith("C relay")}
    for one in results.bridged:
        nearest = relays[min(relays, key=lambda calls: abs(calls - one.calls))] if relays else 0.0
        table.add_row(
            one.what,
            str(one.calls),
            str(one.up),
            f"{one.cpu:.2f}",
            f"{one.cpu / nearest:.2f}" if nearest else "",
            f"{one.delay_p50:.2f}",
            f"{one.delay_p99:.2f}",
            str(one.lost),
            str(one.expected),
            f"{one.kilobytes:.0f}",
            f"{one.setup_p50:.1f}",
            f"{one.setup_p99:.1f}",
            f"{one.generator_late_p99:.2f}",
            f"{one.loop:.1f}",
            "; ".join(one.faults),
        )
    return table


def _signalling(results: Results) -> Table:
    table = Table(title="complete calls without sound, two legs each")
    table.add_column("what")
    for name in (
        "rate",
        "attempted",
        "completed",
        "failed",
        "repeats",
        "cores",
        "ms/call",
        "set-up p50",
        "p99",
        "MB",
        "loop",
    ):
        table.add_column(name, justify="right")
    for one in results.signalling:
        table.add_row(
            one.what,
            f"{one.rate:g}/s",
            str(one.attempted),
            str(one.completed),
            f"{one.failed} {one.codes or ''}".strip(),
            str(one.repeats),
            f"{one.cores:.2f}",
            f"{one.cpu:.2f}",
            f"{one.setup_p50:.1f}",
            f"{one.setup_p99:.1f}",
            f"{one.rss_before:.0f} -> {one.rss_after:.0f}",
            f"{one.loop:.1f}",
        )
    return table


def save(results: Results, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
