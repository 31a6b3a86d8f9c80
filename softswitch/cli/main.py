"""The commands themselves: each asks, prints and ends with an exit code."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from softswitch.cli import reviews, supervision
from softswitch.cli.program import client_of, command, conversation_ids, found_by, main
from softswitch.cli.terminal import FAILED, Explained, Failed, Terminal
from softswitch.errors import ConfigError, NotPossible, Problem

__all__ = ["main", "reviews", "supervision"]

_FILE = click.Path(path_type=Path)


# Starting and checking -----------------------------------------------------------------------------------------------


@command
@click.argument("file", required=False, type=_FILE)
def run(terminal: Terminal, file: Path | None) -> None:
    # A seventh of the start is the collector walking modules that stay; ``switch.run`` turns it on again.
    gc.disable()
    from softswitch import config
    from softswitch.cli import screen
    from softswitch.cli.find import default_file

    path = file or terminal.config or default_file()
    loaded = config.load(path, language=terminal.language, create=True)
    for warning in loaded.warnings:
        terminal.note(screen.problem(terminal, warning), style="yellow")
    if loaded.generated:
        settings = loaded.settings
        names = {extension: person.name for extension, person in settings.directory.people.items()}
        screen.passwords(terminal, names, loaded.generated)
        terminal.print(terminal.say("passwords.kept", folder=str(settings.switch.data / "passwords")))
        screen.telephone(terminal, settings.switch.domain, settings.sip.listen)
    from softswitch import switch

    try:
        switch.run(loaded)
    except NotPossible as error:
        raise Failed(terminal, "not_started", "not_started", message=str(error), path=str(path)) from None


@command
@click.argument("file", required=False, type=_FILE)
def check(terminal: Terminal, file: Path | None) -> None:
    from softswitch import config
    from softswitch.cli import screen
    from softswitch.cli.find import default_file

    path = file or terminal.config or default_file()
    try:
        loaded = config.load(path, language=terminal.language)
    except ConfigError as error:
        if not terminal.json:
            raise
        terminal.print_json({"file": str(path), "ok": False, "problems": [_problem(one) for one in error.problems]})
        raise click.exceptions.Exit(FAILED) from None
    if terminal.json:
        terminal.print_json({"file": str(path), "ok": True, "problems": [_problem(one) for one in loaded.warnings]})
        return
    for warning in loaded.warnings:
        terminal.note(screen.problem(terminal, warning), style="yellow")
    directory, plan = loaded.settings.directory, loaded.settings.plan
    terminal.print(terminal.say("ok", path=str(path)))
    summary = terminal.say(
        "check.summary",
        people=len(directory.people),
        groups=len(directory.groups),
        trunks=len(plan.trunks),
        inbound=len(plan.inbound),
        outbound=len(plan.outbound),
    )
    terminal.print(f"  {summary}")


# Asking the running switch -------------------------------------------------------------------------------------------


@command
@click.argument("file", required=False, type=_FILE)
def reload(terminal: Terminal, file: Path | None) -> None:
    from softswitch.api.client import CommandFailed

    with client_of(terminal) as (client, found):
        try:
            view = client.call(
                "reload", path=None if file is None else str(file.absolute()), language=terminal.language
            )
        except CommandFailed as error:
            if error.code != 422:
                raise
            count = len(error.problems)
            path = str(file or found.config)
            raise Failed(terminal, "refused", "refused", details=error.problems, path=path, count=count) from None
    if terminal.json:
        terminal.print_json(view)
        return
    for warning in view["warnings"]:
        terminal.note(terminal.say("failed", message=warning), style="yellow")
    for change in view["changes"] or [terminal.say("nothing_changed")]:
        terminal.print(terminal.say("failed", message=change))
    terminal.print(terminal.say("reloaded", path=view["path"]))


@command
def stop(terminal: Terminal) -> None:
    with client_of(terminal) as (client, _):
        client.call("stop")
    if terminal.json:
        terminal.print_json({"stopping": True})
    else:
        terminal.print(terminal.say("stopping"))


@command
def status(terminal: Terminal) -> None:
    with client_of(terminal) as (client, _):
        view = client.call("status")
    if terminal.json:
        terminal.print_json(view)
        return
    from softswitch.cli import screen

    screen.status(terminal, view)


@command
@click.argument("source", required=False)
@click.option("--account", cls=Explained, key="option.account")
def unban(terminal: Terminal, source: str | None, account: str | None) -> None:
    with client_of(terminal) as (client, _):
        lifted = client.call("unban", source=source, account=account)
    if terminal.json:
        terminal.print_json(lifted)
        return
    for ban in lifted:
        terminal.print(terminal.say("unbanned", source=ban["source"], account=ban["account"]))
    if not lifted:
        terminal.print(terminal.say("not_banned"))


@command
def metrics(terminal: Terminal) -> None:
    with client_of(terminal) as (client, _):
        text = client.call("metrics")
    if terminal.json:
        terminal.print_json({"metrics": text})
        return
    # As it is: a monitoring system's text collector reads it.
    click.echo(text, nl=False)


@command
def people(terminal: Terminal) -> None:
    with client_of(terminal) as (client, _):
        rows = client.call("people")
    if terminal.json:
        terminal.print_json(rows)
        return
    from softswitch.cli import screen

    screen.people(terminal, rows)


@command
@click.option(
    "--finished",
    cls=Explained,
    key="option.finished",
    type=click.IntRange(0, 10_000),
    default=0,
    is_flag=False,
    flag_value=20,
    metavar="[N]",
)
@click.option("--follow", cls=Explained, key="option.follow", is_flag=True)
def calls(terminal: Terminal, finished: int, follow: bool) -> None:
    if follow:
        _follow(terminal)
        return
    from softswitch.api.client import NotRunning

    try:
        with client_of(terminal) as (client, _):
            rows = client.call("calls", finished=finished)
    except NotRunning:
        # Past calls are in the database, running ones there are none.
        if not finished:
            raise
        from softswitch.cli import records

        found = found_by(terminal)
        if not records.exist(found):
            raise
        rows = records.finished(found, finished)
        if not terminal.json:
            terminal.note(terminal.say("offline"))
    rows.sort(key=lambda row: row["started"])
    if terminal.json:
        terminal.print_json(rows)
        return
    from softswitch.cli import screen

    screen.calls(terminal, rows)


def _follow(terminal: Terminal) -> None:
    from softswitch.cli.records import Teller

    with client_of(terminal) as (client, _):
        names = {row["extension"]: row["name"] for row in client.call("people")}
        teller = Teller(terminal.language, names, client.call("calls"))
        if not terminal.json:
            terminal.note(terminal.say("following"))
        try:
            for row in client.stream("events"):
                if terminal.json:
                    terminal.print_line(row)
                    continue
                for line in teller.tell(row):
                    terminal.print(line)
        except KeyboardInterrupt:
            return


@command
@click.argument("conversation", metavar="ID", shell_complete=conversation_ids)
def show(terminal: Terminal, conversation: str) -> None:
    from softswitch.api.client import CommandFailed, NotRunning

    try:
        with client_of(terminal) as (client, _):
            view = client.call("show", conversation=conversation, language=terminal.language)
    except CommandFailed as error:
        if error.code != 404:
            raise
        raise Failed(terminal, "no_conversation", "no_conversation", id=conversation) from None
    except NotRunning:
        from softswitch.cli import records

        found = found_by(terminal)
        if not records.exist(found):
            raise
        view = records.show(found, conversation, terminal.language)
        if view is None:
            raise Failed(terminal, "no_conversation", "no_conversation", id=conversation) from None
    if terminal.json:
        terminal.print_json(view)
        return
    from softswitch.cli import screen

    screen.conversation(terminal, view)


@command
@click.argument("conversation", metavar="ID", shell_complete=conversation_ids)
@click.option("--messages", cls=Explained, key="option.messages", is_flag=True)
def trace(terminal: Terminal, conversation: str, messages: bool) -> None:
    from softswitch.api.client import CommandFailed

    with client_of(terminal) as (client, _):
        try:
            view = client.call("trace", conversation=conversation)
        except CommandFailed as error:
            if error.code != 404:
                raise
            raise Failed(terminal, "no_trace", "no_trace", id=conversation) from None
    if terminal.json:
        terminal.print_json(view)
        return
    from softswitch.cli import ladder

    for line in ladder.draw(view):
        terminal.print(line)
    if messages:
        for entry in view["entries"]:
            terminal.print()
            terminal.print(ladder.message(entry))


# People and programs of the API ---------------------------------------------------------------------------------------


@command
@click.argument("extension", metavar="EXTENSION")
def password(terminal: Terminal, extension: str) -> None:
    with client_of(terminal) as (client, _):
        view = client.call("password", extension=extension)
    if terminal.json:
        terminal.print_json(view)
        return
    terminal.print(terminal.say("password.made", **view))
    terminal.note(terminal.say("password.once"))


@command
@click.argument("what", metavar="create|list|revoke", type=click.Choice(["create", "list", "revoke"]))
@click.argument("extension", metavar="EXTENSION")
@click.option("--name", cls=Explained, key="option.name", default="api", metavar="NAME")
def token(terminal: Terminal, what: str, extension: str, name: str) -> None:
    with client_of(terminal) as (client, _):
        match what:
            case "create":
                view = client.call("token_create", extension=extension, name=name)
            case "revoke":
                view = client.call("token_revoke", extension=extension, name=name)
            case _:
                view = client.call("tokens", extension=extension)
    if terminal.json:
        terminal.print_json(view)
        return
    match what:
        case "create":
            terminal.print(view["token"])
            terminal.note(terminal.say("token.once"))
        case "revoke":
            terminal.print(terminal.say("token.revoked", name=name))
        case _:
            for row in view:
                terminal.print(f"{row['name']}  {row['created']}")


# The rest ------------------------------------------------------------------------------------------------------------


@command
def rebuild(terminal: Terminal) -> None:
    from softswitch.cli import records

    found = found_by(terminal)
    if found.data is None:
        raise Failed(terminal, "no_switch_here", "no_switch_here")
    if not records.exist(found):
        raise Failed(terminal, "no_records", "no_records", path=str(found.data))
    events, unread = records.rebuild(found)
    if terminal.json:
        terminal.print_json({"events": events, "unread": unread})
        return
    terminal.print(terminal.say("rebuilt", events=events))
    if unread:
        terminal.print(terminal.say("rebuilt.unread", unread=unread))


@command
@click.option("--expired", cls=Explained, key="option.expired", is_flag=True)
@click.option("--last", cls=Explained, key="option.last", type=click.IntRange(1, 1_000_000), default=50, metavar="N")
def recordings(terminal: Terminal, expired: bool, last: int) -> None:
    from softswitch.cli import records, screen

    found = found_by(terminal)
    if found.recordings is None:
        raise Failed(terminal, "no_switch_here", "no_switch_here")
    rows = records.recordings(found, last, expired=expired)
    if terminal.json:
        terminal.print_json(rows)
        return
    screen.recordings(terminal, rows, str(found.recordings))


@command
@click.argument("damaged", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def salvage(terminal: Terminal, damaged: Path) -> None:
    from softswitch.cli import records

    found = found_by(terminal)
    if found.data is None:
        raise Failed(terminal, "no_switch_here", "no_switch_here")
    events = records.salvage(found, damaged)
    if terminal.json:
        terminal.print_json({"events": events})
    else:
        terminal.print(terminal.say("salvaged", events=events, path=str(damaged)))


@command
def version(terminal: Terminal) -> None:
    from platform import python_version

    from softswitch import __version__

    if terminal.json:
        terminal.print_json({"version": __version__, "python": python_version()})
    else:
        terminal.print(f"softswitch {__version__} (Python {python_version()})")


@command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(terminal: Terminal, shell: str) -> None:
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(main, {}, "softswitch", "_SOFTSWITCH_COMPLETE")
    source = script.source_template % script.source_vars()
    if terminal.json:
        terminal.print_json({"shell": shell, "script": source})
    else:
        terminal.print(source)


@command
def reference(terminal: Terminal) -> None:
    from softswitch.config.reference import markdown

    text = markdown()
    if terminal.json:
        terminal.print_json({"markdown": text})
    else:
        terminal.print(text.rstrip("\n"))


reference.hidden = True


def _problem(one: Problem) -> dict[str, object]:
    return {
        "severity": one.severity,
        "line": one.line,
        "column": one.column,
        "key": one.key,
        "reason": one.reason,
        "hint": one.hint,
    }
