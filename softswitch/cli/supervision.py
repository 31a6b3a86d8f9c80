"""Commands about conversations that run: to stand beside one, to take it over, to ask for help, to mask it."""

from __future__ import annotations

import click

from softswitch.cli.program import client_of, command, conversation_ids
from softswitch.cli.terminal import Explained, Terminal

__all__ = ["barge", "leave", "listen", "mask", "prompt", "takeover", "unmask", "whisper"]

_EMPLOYEE = click.argument("employee", metavar="EXTENSION")
_AS = click.option("--as", "supervisor", cls=Explained, key="option.as", required=True, metavar="EXTENSION")
_FOLLOW = click.option("--follow", cls=Explained, key="option.stay", is_flag=True)
_IN = click.option(
    "--in", "conversation", cls=Explained, key="option.in", metavar="ID", shell_complete=conversation_ids
)


@command
@_EMPLOYEE
@_AS
@_FOLLOW
@_IN
def listen(terminal: Terminal, employee: str, supervisor: str, follow: bool, conversation: str | None) -> None:
    _supervise(terminal, employee, supervisor, "listen", follow=follow, conversation=conversation)


@command
@_EMPLOYEE
@_AS
@_FOLLOW
@_IN
@click.option("--customer", cls=Explained, key="option.customer", is_flag=True)
def whisper(
    terminal: Terminal, employee: str, supervisor: str, follow: bool, conversation: str | None, customer: bool
) -> None:
    mode = "whisper to customer" if customer else "whisper"
    _supervise(terminal, employee, supervisor, mode, follow=follow, conversation=conversation)


@command
@_EMPLOYEE
@_AS
@_FOLLOW
@_IN
def barge(terminal: Terminal, employee: str, supervisor: str, follow: bool, conversation: str | None) -> None:
    _supervise(terminal, employee, supervisor, "barge", follow=follow, conversation=conversation)


@command
@_EMPLOYEE
@_AS
@click.option("--park", cls=Explained, key="option.park", is_flag=True)
def takeover(terminal: Terminal, employee: str, supervisor: str, park: bool) -> None:
    with client_of(terminal) as (client, _):
        client.call("take_over", employee=employee, supervisor=supervisor, park=park)
    _done(terminal, "taken_over_parked" if park else "taken_over", employee=employee, supervisor=supervisor)


@command
@_AS
def leave(terminal: Terminal, supervisor: str) -> None:
    with client_of(terminal) as (client, _):
        client.call("leave", supervisor=supervisor)
    _done(terminal, "left", supervisor=supervisor)


@command
@_EMPLOYEE
@click.option("--by", "whom", cls=Explained, key="option.by", metavar="EXTENSION|NAME|group:NAME|skill:NAME")
@click.option("--end", cls=Explained, key="option.end", is_flag=True)
def prompt(terminal: Terminal, employee: str, whom: str | None, end: bool) -> None:
    if end == (whom is not None):
        raise click.UsageError(terminal.say("prompt.usage"))
    with client_of(terminal) as (client, _):
        if whom is None:
            client.call("end_help", employee=employee)
        else:
            client.call("ask_help", employee=employee, whom=whom)
    _done(terminal, "help_ended" if whom is None else "help_asked", employee=employee, whom=whom or "")


@command
@click.argument("conversation", metavar="ID", shell_complete=conversation_ids)
def mask(terminal: Terminal, conversation: str) -> None:
    with client_of(terminal) as (client, _):
        client.call("mask", conversation=conversation, masked=True)
    _done(terminal, "masked", conversation=conversation)


@command
@click.argument("conversation", metavar="ID", shell_complete=conversation_ids)
def unmask(terminal: Terminal, conversation: str) -> None:
    with client_of(terminal) as (client, _):
        client.call("mask", conversation=conversation, masked=False)
    _done(terminal, "unmasked", conversation=conversation)


def _supervise(
    terminal: Terminal, employee: str, supervisor: str, mode: str, *, follow: bool, conversation: str | None
) -> None:
    where = {} if conversation is None else {"conversation": conversation}
    with client_of(terminal) as (client, _):
        client.call("supervise", employee=employee, supervisor=supervisor, mode=mode, follow=follow, **where)
    _done(terminal, "supervising", employee=employee, supervisor=supervisor)


def _done(terminal: Terminal, key: str, **values: str) -> None:
    if terminal.json:
        terminal.print_json({"done": key, **values})
    else:
        terminal.print(terminal.say(key, **values))
