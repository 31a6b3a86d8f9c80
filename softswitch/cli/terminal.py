"""Where a command prints: text or JSON, colours or none, in the language of the person who asks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from softswitch.cli.messages import MESSAGES, Language, language_of, say
from softswitch.log import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["FAILED", "NOT_RUNNING", "Explained", "Failed", "NotThere", "Terminal", "common"]

FAILED = 1
NOT_RUNNING = 3

_META = "softswitch."

WIDE = 1000
"""Columns where there is no terminal: tables in a pipe or a file are never cut."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """The common options of one invocation. ``color`` None: as the terminal and NO_COLOR say."""

    language: Language
    json: bool
    color: bool | None
    config: Path | None
    socket: Path | None

    @classmethod
    def of(cls, context: click.Context) -> Terminal:
        """Gather the options, wherever on the command line they stood."""
        meta = context.meta
        return cls(
            language=meta.get(_META + "lang") or language_of(os.environ),
            json=meta.get(_META + "json") or False,
            color=meta.get(_META + "color"),
            config=meta.get(_META + "config"),
            socket=meta.get(_META + "socket"),
        )

    def say(self, key: str, **values: object) -> str:
        """Return a message with its values, which may come from the network, made printable."""
        shown = {name: printable(value) if isinstance(value, str) else value for name, value in values.items()}
        return say(self.language, key, **shown)

    def word(self, prefix: str, word: str) -> str:
        """Return the translation of a word of the views, or the word itself."""
        key = f"{prefix}.{word}"
        return self.say(key) if key in MESSAGES else printable(word)

    def print(self, text: str = "") -> None:
        click.echo(text, color=self._echo_color())

    def print_json(self, value: Any) -> None:
        click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))

    def print_line(self, value: Any) -> None:
        """Print JSON on one line, for a stream of them."""
        click.echo(json.dumps(value, ensure_ascii=False, default=str))

    def note(self, text: str, *, style: str = "") -> None:
        """Print beside the result: to standard error."""
        click.echo(click.style(text, fg=style) if style else text, err=True, color=self._echo_color())

    def console(self) -> Console:
        """Return rich's console for tables."""
        from rich.console import Console

        width = None if sys.stdout.isatty() else WIDE
        if self.color is None:
            return Console(width=width, highlight=False, markup=False, emoji=False)
        return Console(
            width=width,
            highlight=False,
            markup=False,
            emoji=False,
            no_color=not self.color,
            force_terminal=self.color or None,
            color_system="standard" if self.color else None,
        )

    def _echo_color(self) -> bool | None:
        """Return what click needs: None lets it look at the stream. NO_COLOR (no-color.org) wins over the terminal."""
        if self.color is None and os.environ.get("NO_COLOR"):
            return False
        return self.color


class Failed(click.ClickException):
    """The end of a command that could not do its work: what is wrong, and what to do next."""

    def __init__(
        self, terminal: Terminal, key: str, *nexts: str, details: Sequence[str] = (), **values: object
    ) -> None:
        """``key`` names the message, ``nexts`` those that say what to do; ``details`` are printed before."""
        super().__init__(terminal.say(key, **values))
        self._terminal, self._key, self._details = terminal, key, tuple(details)
        self._nexts = [terminal.say(f"{name}.next" if "." not in name else name, **values) for name in nexts]

    def show(self, file: Any = None) -> None:
        if self._terminal.json:
            told: Mapping[str, object] = {
                "error": {
                    "kind": self._key,
                    "message": self.message,
                    "problems": list(self._details),
                    "next": self._nexts,
                }
            }
            self._terminal.print_json(told)
            return
        for line in self._details:
            self._terminal.note(line)
        self._terminal.note(f"{self._terminal.say('error')}: {self.message}", style="red")
        for line in self._nexts:
            self._terminal.note(f"  {line}")


class NotThere(Failed):
    """No switch is running."""

    exit_code = NOT_RUNNING


def common(command: click.Command) -> click.Command:
    """Add the options that every command has; the group has them too, so that both places work."""
    command.params += [
        _common("--json", is_flag=True, default=None, key="option.json"),
        _common("--color/--no-color", default=None, key="option.color"),
        _common("--lang", type=click.Choice(["en", "ru"]), is_eager=True, key="option.lang"),
        _common("--config", type=click.Path(path_type=Path), metavar="FILE", key="option.config"),
        _common("--socket", type=click.Path(path_type=Path), metavar="PATH", key="option.socket"),
    ]
    return command


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None:
        context.meta[_META + str(parameter.name)] = value


class Explained(click.Option):
    """An option that explains itself in the language asked for; ``key`` names the message."""

    def __init__(self, names: Sequence[str], *, key: str, **settings: Any) -> None:
        super().__init__(names, **settings)
        self._key = key

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        self.help = say(Terminal.of(ctx).language, self._key)
        return super().get_help_record(ctx)


def _common(*names: str, key: str, **settings: Any) -> Explained:
    return Explained(names, key=key, expose_value=False, callback=_remember, **settings)
