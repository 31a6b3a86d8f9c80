"""``python -m benchmarks``: measure the whole switch, print a table, write JSON."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from benchmarks import report, whole_switch

PARTS = ("relay", "plain", "recorded", "transcoded", "register", "sustained", "calls")


@click.command()
@click.option("--quick", is_flag=True, help="Half a minute instead of eight, good for a first look only.")
@click.option("--only", "parts", multiple=True, type=click.Choice(PARTS), help="Measure this part; may be repeated.")
@click.option("--json", "target", type=click.Path(path_type=Path), default=Path("build/benchmark.json"))
@click.option("--alone", is_flag=True, help="Real-time priority for both sides, where other programs run (root).")
def main(quick: bool, parts: tuple[str, ...], target: Path, alone: bool) -> None:
    """Measure the switch on one core against a load generator on the other."""
    console = Console(width=report.WIDTH)
    if alone:
        whole_switch.keep_others_away()
    plan = whole_switch.QUICK if quick else whole_switch.Plan()
    results = whole_switch.run(plan, set(parts or PARTS), lambda what: console.print(f"[dim]{what}[/dim]"))
    report.show(results, console)
    report.save(results, target)
    console.print(f"[dim]{target}[/dim]")


if __name__ == "__main__":
    main()
