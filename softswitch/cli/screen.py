"""The views as tables and lines for people (rich is imported here only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from softswitch.api.views import (
    CallRow,
    ConversationView,
    DeviceRow,
    MediaThreadRow,
    PersonRow,
    ReviewRow,
    ReviewView,
    StatusView,
)
from softswitch.cli.records import RecordingRow
from softswitch.cli.terminal import Terminal
from softswitch.config.settings import Listener
from softswitch.errors import Problem
from softswitch.log import printable

__all__ = [
    "calls",
    "clock",
    "conversation",
    "lasting",
    "passwords",
    "people",
    "problem",
    "recordings",
    "review",
    "reviews",
    "status",
    "telephone",
]

_STYLES = {
    "talking": "green",
    "reachable": "green",
    "ringing": "yellow",
    "on hold": "yellow",
    "unreachable": "red",
    "offline": "dim",
    "ended": "dim",
}


def status(terminal: Terminal, view: StatusView) -> None:
    media = view["media"]
    rows = [
        ("name", f"{view['name']} ({view['domain']})"),
        ("version", f"{view['version']}, pid {view['pid']}"),
        ("config", view["config"]),
        ("uptime", lasting(view["uptime"])),
        ("listening", ", ".join(view["listening"])),
        ("calls", str(view["calls"])),
        ("registered", terminal.say("of", some=view["registered"], all=view["people"])),
        *(
            ("trunks", f"{one['name']} ({one['server']}): {terminal.word('trunk', one['state'])}")
            for one in view["trunks"]
        ),
        *(
            ("bans", terminal.say("ban.line", left=lasting(ban["left"]), source=ban["source"], account=ban["account"]))
            for ban in view["bans"]
        ),
        (
            "media",
            terminal.say(
                "media.line",
                threads=media["threads"],
                open=media["ports_open"],
                total=media["ports_total"],
                recordings=media["recordings"],
                p99=f"{media['late_p99'] * 1000:.2f}",
            ),
        ),
        *(("media", _media_thread(terminal, number, each)) for number, each in enumerate(media["each"], 1)),
    ]
    table = _grid()
    for key, value in rows:
        table.add_row(Text(terminal.say(key), "bold"), Text(printable(value)))
    counted = [f"{printable(name)}: {count}" for name, count in sorted(view["counters"].items()) if count]
    if counted:
        table.add_row(Text(terminal.say("counters"), "bold"), Text(", ".join(counted)))
    for index, warning in enumerate(view["warnings"]):
        table.add_row(Text(terminal.say("warnings") if not index else "", "bold"), Text(printable(warning), "yellow"))
    terminal.console().print(table)


def _media_thread(terminal: Terminal, number: int, thread: MediaThreadRow) -> str:
    return terminal.say(
        "media.thread",
        number=number,
        ports=thread["ports"],
        p99=f"{thread['late_p99'] * 1000:.2f}",
        most=f"{thread['late_max'] * 1000:.2f}",
    )


def people(terminal: Terminal, rows: Sequence[PersonRow]) -> None:
    table = _table(terminal, "extension", "name", "groups", "state", "address", "device", "since", "expires")
    for row in rows:
        # One line a device; the person's own columns stand in the first.
        for index, device in enumerate(row["devices"] or [None]):
            person = (row["extension"], row["name"], ", ".join(row["groups"])) if not index else ("", "", "")
            state = row["state"] if not index else ""
            table.add_row(
                *(Text(printable(cell)) for cell in person),
                Text(terminal.word("state", state) if state else "", _STYLES.get(state, "")),
                *_device(device),
            )
    terminal.console().print(table)


def _device(device: DeviceRow | None) -> list[Text]:
    if device is None:
        return [Text("")] * 4
    address = f"{device['transport']} {device['address']}"
    return [
        Text(printable(address), "" if device["reachable"] else "red"),
        Text(printable(device["user_agent"])[:40]),
        Text(clock(device["since"])),
        Text(lasting(device["expires_in"])),
    ]


def recordings(terminal: Terminal, rows: Sequence[RecordingRow], folder: str) -> None:
    if not rows:
        terminal.print(terminal.say("no_recordings", folder=folder))
        return
    table = _table(terminal, "ended", "caller", "called", "duration", "kept_until", "recording")
    for row in rows:
        expires = clock(row["expires"]) if row["expires"] else terminal.say("forever")
        cells = (clock(row["ended"]), row["caller"], row["called"], lasting(row["duration"]), expires, row["path"])
        table.add_row(*(Text(printable(cell)) for cell in cells))
    terminal.console().print(table)


def calls(terminal: Terminal, rows: Sequence[CallRow]) -> None:
    if not rows:
        terminal.print(terminal.say("no_calls"))
        return
    table = _table(terminal, "id", "started", "state", "caller", "called", "answered_by", "duration", "mos", "result")
    for row in rows:
        caller = f"{row['caller']} {row['caller_name']}" if row["caller_name"] else row["caller"]
        cells = (
            row["id"],
            clock(row["started"]),
            row["state"],
            caller,
            row["called"],
            row["answered_by"].removeprefix("person:"),
            lasting(row["duration"]),
            " / ".join(f"{leg['mos']:.1f}" for leg in row["legs"] if leg.get("mos") is not None),
            terminal.word("result", row["result"]),
        )
        texts = [Text(printable(cell)) for cell in cells]
        beside = [
            leg["party"].removeprefix("person:")
            for leg in row["legs"]
            if leg["role"] in ("supervisor", "prompter") and leg["state"] == "talking"
        ]
        state = " + ".join((terminal.word("state", row["state"]), *map(printable, beside)))
        texts[2] = Text(state, _STYLES.get(row["state"], ""))
        table.add_row(*texts)
    terminal.console().print(table)


def conversation(terminal: Terminal, view: ConversationView) -> None:
    """Print a conversation's head and its timeline, a sentence a line."""
    call = view["call"]
    head = [
        ("id", call["id"]),
        ("caller", f"{call['caller']} {call['caller_name']}".strip()),
        ("called", call["called"]),
        ("started", clock(call["started"])),
        ("duration", lasting(call["duration"])),
        ("result", terminal.word("result", call["result"]) or terminal.word("state", call["state"])),
        ("recording", call["recording"]),
    ]
    table = _grid()
    for key, value in head:
        if value:
            table.add_row(Text(terminal.say(key), "bold"), Text(printable(value)))
    console = terminal.console()
    console.print(table)
    console.print()
    for line in view["lines"]:
        console.print(Text.assemble((f"{clock(line['at'], date=False)}  ", "cyan"), printable(line["text"])))


def reviews(terminal: Terminal, rows: Sequence[ReviewRow]) -> None:
    if not rows:
        terminal.print(terminal.say("no_reviews"))
        return
    table = _table(terminal, "id", "asked_by", "asked", "caller", "called", "state", "mark", "comments", "note")
    for row in rows:
        cells = (
            row["conversation"],
            row["employee"],
            clock(row["asked"]),
            row["caller"],
            row["called"],
            "",
            "" if row["mark"] is None else str(row["mark"]),
            str(row["comments"]),
            row["note"][:60],
        )
        texts = [Text(printable(cell)) for cell in cells]
        texts[5] = Text(terminal.word("review", row["state"]), "yellow" if row["state"] == "open" else "dim")
        table.add_row(*texts)
    terminal.console().print(table)


def review(terminal: Terminal, view: ReviewView) -> None:
    """Print a review's head and its comments, a line each, in the order of the recording."""
    row = view["review"]
    closed = f"{clock(row['closed'])} ({row['closed_by']})" if row["closed"] else ""
    recordings = [
        f"{one['number']}: {terminal.say('deleted') if one['deleted'] else lasting(one['duration'] or 0.0)}"
        for one in view["recordings"]
    ]
    head = [
        ("id", row["conversation"]),
        ("caller", row["caller"]),
        ("called", row["called"]),
        ("started", clock(row["started"])),
        ("recording", ", ".join(recordings)),
        ("asked_by", row["employee"]),
        ("asked", clock(row["asked"])),
        ("note", row["note"]),
        ("mark", "" if row["mark"] is None else f"{row['mark']} ({row['marked_by']})"),
        ("state", f"{terminal.word('review', row['state'])} {closed}".strip()),
    ]
    table = _grid()
    for key, value in head:
        if value:
            table.add_row(Text(terminal.say(key), "bold"), Text(printable(value)))
    console = terminal.console()
    console.print(table)
    if view["comments"]:
        console.print()
    for one in view["comments"]:
        number = f"{one['recording']}/" if one["recording"] > 1 else ""
        place = "" if one["position"] is None else f"{number}{lasting(one['position'])}"
        console.print(Text.assemble((f"{place:>9}  ", "cyan"), f"{one['by']}: {_whole(one['text'])}"))


def _whole(text: str) -> str:
    """Return a text of people fit for a terminal, with its lines, however long they are."""
    lines = ("".join(printable(line[at : at + 500]) for at in range(0, len(line), 500)) for line in text.splitlines())
    return ("\n" + " " * 11).join(lines)


def passwords(terminal: Terminal, names: Mapping[str, str], made: Mapping[str, str]) -> None:
    """Print passwords made just now, this once."""
    table = _table(terminal, "extension", "name", "password")
    for extension, password in made.items():
        table.add_row(Text(extension), Text(printable(names.get(extension, ""))), Text(password, "bold"))
    table.title = terminal.say("passwords.title")
    table.title_justify = "left"
    terminal.console().print(table)


def telephone(terminal: Terminal, domain: str, listen: Sequence[Listener]) -> None:
    """Print what is set in a telephone, which is all it needs beside its number and password."""
    rows = [
        ("user", terminal.say("phone.user.is")),
        ("password", terminal.say("phone.password.is")),
        ("domain", printable(domain)),
    ]
    transports: dict[tuple[str, int], list[str]] = {}
    for one in listen:
        transports.setdefault((one.host, one.port), []).append(one.transport.upper())
    for (host, port), spoken in transports.items():
        machine = terminal.say("phone.machine") if host in ("0.0.0.0", "::") else host
        either = f" {terminal.say('or')} ".join(spoken)
        rows.append(("server", terminal.say("phone.server.is", host=machine, port=port, transports=either)))
    grid = _grid()
    for key, value in rows:
        grid.add_row(terminal.say(f"phone.{key}"), Text(value, "bold"))
    terminal.print(terminal.say("phone"))
    terminal.console().print(grid)


def problem(terminal: Terminal, found: Problem) -> str:
    """Return one problem of a configuration as one line."""
    where = f"{found.file}:{found.line}:{found.column}"
    rest = str(found).removeprefix(where).removeprefix(" warning:").lstrip()
    return printable(f"{where} {terminal.say(found.severity)}: {rest}")


def clock(at: str, *, date: bool = True) -> str:
    """Return an instant of a view in the machine's own time."""
    try:
        local = datetime.fromisoformat(at).astimezone()
    except ValueError:
        return printable(at)
    return f"{local:%Y-%m-%d %H:%M:%S}" if date else f"{local:%H:%M:%S}"


def lasting(seconds: float) -> str:
    """Return a duration as 0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _table(terminal: Terminal, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for key in columns:
        table.add_column(terminal.say(key), no_wrap=True)
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table
