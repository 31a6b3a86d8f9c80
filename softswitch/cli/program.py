"""The program that the commands belong to: help in two languages, completion, the running switch, and failures."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from softswitch.cli.messages import language_of, say
from softswitch.cli.terminal import Failed, NotThere, Terminal, common
from softswitch.errors import ConfigError, SwitchError

if TYPE_CHECKING:
    from softswitch.api.client import Client
    from softswitch.cli.find import Found

__all__ = ["client_of", "command", "conversation_ids", "found_by", "main"]


class Command(click.Command):
    """A command that explains itself in the language asked for."""

    def get_short_help_str(self, limit: int = 45) -> str:
        # While the shell completes there is a context, but none is current.
        context = click.get_current_context(silent=True)
        return say(Terminal.of(context).language if context else language_of(), f"help.{self.name}")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.help = say(Terminal.of(ctx).language, f"help.{self.name}")
        super().format_help_text(ctx, formatter)


class Group(click.Group):
    command_class = Command

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.help = say(Terminal.of(ctx).language, "help")
        super().format_help_text(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], self.commands, n=1)
            key, nearest = ("no_command.near", near[0]) if near else ("no_command", "")
            raise click.UsageError(say(Terminal.of(ctx).language, key, name=args[0], near=nearest), ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what the switch and its files complain about becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except SwitchError as error:
            raise failed(Terminal.of(ctx), error, ctx.invoked_subcommand or "") from error


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Softswitch."""


common(main)


def command(function: Callable[..., None]) -> click.Command:
    """Register a command; it is given the ``Terminal`` before its own parameters."""

    @click.pass_context
    def called(context: click.Context, /, **values: Any) -> None:
        function(Terminal.of(context), **values)

    called.__doc__ = None
    called.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    made = main.command(name=function.__name__.rstrip("_"))(called)
    return common(made)


def conversation_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the id of a conversation by asking the running switch, if there is one."""
    try:
        with client_of(Terminal.of(ctx), timeout=1.0) as (client, _):
            rows = client.call("calls", finished=50)
    except (SwitchError, OSError):
        return []
    return [row["id"] for row in rows if row["id"].startswith(incomplete)]


def found_by(terminal: Terminal) -> Found:
    from softswitch.cli.find import find

    return find(terminal.config, terminal.socket)


@contextmanager
def client_of(terminal: Terminal, timeout: float = 30.0) -> Iterator[tuple[Client, Found]]:
    """Connect to the running switch; raises NotRunning."""
    from softswitch.api.client import Client

    found = found_by(terminal)
    with Client(found.socket, timeout) as client:
        yield client, found


def failed(terminal: Terminal, error: SwitchError, name: str) -> Failed:
    """Return a complaint of ours for any error of the switch, with the way out."""
    from softswitch.api.client import CommandFailed, NotRunning
    from softswitch.cli.find import NoConfig

    match error:
        case NotRunning():
            config = str(terminal.config or "softswitch.toml")
            return NotThere(
                terminal,
                "not_running",
                "not_running",
                "not_running.elsewhere",
                why=error.why,
                path=str(error.path),
                config=config,
                command=name,
            )
        case NoConfig():
            key = "broken_config" if error.broken else "no_config"
            return Failed(terminal, key, key, path=str(error.path), command=name)
        case ConfigError():
            from softswitch.cli import screen

            lines = [screen.problem(terminal, one) for one in error.problems]
            count = sum(one.severity == "error" for one in error.problems)
            path = error.problems[0].file if error.problems else ""
            return Failed(terminal, "refused", "refused.start", details=lines, path=path, count=count)
        case CommandFailed():
            from softswitch.records.reasons import said

            message = said(error.message, terminal.language)
            return Failed(terminal, "command_failed", details=error.problems, message=message)
        case _:
            return Failed(terminal, "failed", message=str(error))
