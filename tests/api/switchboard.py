"""A switch as far as its control socket can tell: it answers every command from what the test gave it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from softswitch.api.commands import Commands
from softswitch.api.socket import ControlSocket
from softswitch.api.views import (
    CallRow,
    ConversationView,
    DeviceRow,
    EventRow,
    LadderEntry,
    LadderView,
    LegRow,
    MediaStatus,
    PasswordView,
    PersonRow,
    ReloadView,
    ReviewRow,
    ReviewView,
    StatusView,
    TimelineLine,
    TokenRow,
    TokenView,
)
from softswitch.errors import ConfigError, NoSuch, NotPermitted, NotPossible, Problem

T = TypeVar("T")

STATUS = StatusView(
    version="0.1.0",
    name="Romashka",
    domain="pbx.example",
    config="/etc/softswitch.toml",
    pid=4711,
    started="2026-11-23T09:00:00.000Z",
    uptime=3723.5,
    listening=["udp:0.0.0.0:5060", "tcp:[::]:5060"],
    calls=1,
    people=3,
    registered=2,
    trunks=[],
    bans=[],
    media=MediaStatus(
        threads=1,
        ports_open=4,
        ports_total=5000,
        recordings=1,
        late_p99=0.000512,
        late_max=0.002,
        each=[
            {
                "ports": 4,
                "priority": "normal",
                "late_p99": 0.000512,
                "late_max": 0.002,
                "lateness": [{"below": 0.000512, "ticks": 99}, {"below": 0.002, "ticks": 1}],
            }
        ],
    ),
    counters={"invite": 12, "icmp": 0, "denied": 3},
    warnings=["people.101.password: the password is easily guessed"],
)
DEVICE = DeviceRow(
    contact="sip:101@192.0.2.7:5062",
    transport="udp",
    address="192.0.2.7:5062",
    user_agent="Yealink SIP-T31P\x1b[31m",
    since="2026-11-23T09:00:05.000Z",
    expires_in=3540.0,
    reachable=True,
)
PEOPLE = [
    PersonRow(extension="101", name="Anna Orlova", groups=["sales"], state="talking", devices=[DEVICE]),
    PersonRow(
        extension="102",
        name="Viktor Belov",
        groups=["sales", "support"],
        state="unreachable",
        devices=[{**DEVICE, "reachable": False, "address": "192.0.2.8:5060"}, {**DEVICE, "transport": "tcp"}],
    ),
    PersonRow(extension="103", name="Ivan", groups=[], state="offline", devices=[]),
]
CALL = CallRow(
    id="4rt0kqz1m2n3",
    started="2026-11-23T09:01:00.000Z",
    state="talking",
    caller="+79161234567",
    caller_name="\u202eEvil",
    called="+74951234567",
    answered_by="person:101",
    duration=65.0,
    talk=60.0,
    result="",
    recording="2026/11/23/4rt0kqz1m2n3.wav",
    legs=[
        LegRow(
            leg="l1",
            party="trunk:provider",
            role="caller",
            target="",
            state="talking",
            codec="PCMA",
            ring=0.0,
            talk=60.0,
            hold=0.0,
            cause="",
            mos=4.31,
        )
    ],
)
FINISHED: CallRow = {
    **CALL,
    "id": "3aaa",
    "started": "2026-11-23T08:00:00.000Z",
    "state": "ended",
    "result": "answered",
}
CONVERSATION = ConversationView(
    call=CALL,
    lines=[
        TimelineLine(
            at="2026-11-23T09:01:00.000Z",
            kind="CallArrived",
            who="trunk:provider",
            text="+79161234567 calls +74951234567",
        ),
        TimelineLine(at="2026-11-23T09:01:05.000Z", kind="LegAnswered", who="person:101", text="Anna (101) answers"),
    ],
)
CALLER, SWITCH, CALLEE = "provider 203.0.113.5:5060", "switch", "101 192.0.2.7:5062"


def message(at: str, source: str, target: str, summary: str) -> LadderEntry:
    return LadderEntry(
        at=f"2026-11-23T09:01:{at}Z",
        source=source,
        target=target,
        summary=summary,
        call_id="c1",
        text=f"{summary} SIP/2.0\r\nTo: <sip:x>\x07\r\n\r\n",
    )


LADDER = LadderView(
    id=CALL["id"],
    columns=[CALLER, SWITCH, CALLEE],
    entries=[
        message("00.000", CALLER, SWITCH, "INVITE sip:74951234567@pbx.example"),
        message("00.001", SWITCH, CALLER, "100 Trying"),
        message("00.004", SWITCH, CALLEE, "INVITE sip:101@192.0.2.7:5062"),
        message("00.120", CALLEE, SWITCH, "180 Ringing"),
    ],
)


def event(seq: int, kind: str, conversation: str | None = CALL["id"], /, **data: object) -> EventRow:
    return EventRow(seq=seq, at=f"2026-11-23T09:01:{seq:02d}.000Z", kind=kind, conversation=conversation, data=data)


EVENTS = [
    event(
        1,
        "CallArrived",
        leg="l1",
        origin="person:102",
        caller="102",
        caller_name="Viktor Belov",
        called="101",
        call_id="c1",
        withheld=False,
    ),
    event(2, "LegOffered", leg="l2", party="person:101", target="sip:101@192.0.2.7:5062", call_id="c2"),
    event(3, "LegDialog", leg="l2", state="{}"),
    event(4, "LegAnswered", leg="l2", codec="PCMA"),
    event(5, "LegEnded", leg="l2", cause="hung up", status=0, remote=True),
    event(6, "ConversationEnded", result="answered", cause=""),
]


REVIEW = ReviewRow(
    conversation=CALL["id"],
    employee="101",
    asked="2026-11-23T09:10:00.000Z",
    note="was the price right?\x1b[31m",
    state="open",
    mark=4,
    marked_by="110",
    closed=None,
    closed_by="",
    comments=2,
    started=CALL["started"],
    caller=CALL["caller"],
    called=CALL["called"],
)
REVIEWED = ReviewView(
    review=REVIEW,
    comments=[
        {
            "number": 2,
            "at": "2026-11-23T09:21:00.000Z",
            "by": "110",
            "recording": 0,
            "position": None,
            "text": "well done",
        },
        {
            "number": 1,
            "at": "2026-11-23T09:20:00.000Z",
            "by": "110",
            "recording": 1,
            "position": 41.5,
            "text": "too fast\x07",
        },
    ],
    recordings=[
        {
            "number": 1,
            "started": CALL["started"],
            "finished": "2026-11-23T09:02:05.000Z",
            "duration": 65.0,
            "error": "",
            "deleted": False,
        }
    ],
    may=[],
)


class Switchboard:
    """Implements ``Commands``; ``asked`` tells what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.streams = 0

    async def status(self) -> StatusView:
        self.asked.append(("status",))
        return STATUS

    async def metrics(self) -> str:
        return "softswitch_calls_live 1.0\n"

    async def people(self) -> list[PersonRow]:
        return PEOPLE

    async def calls(self, finished: int) -> list[CallRow]:
        self.asked.append(("calls", finished))
        return [CALL, FINISHED] if finished else [CALL]

    async def show(self, conversation: str, language: str) -> ConversationView:
        self.asked.append(("show", conversation, language))
        if not CALL["id"].startswith(conversation):
            raise NoSuch("conversation", conversation)
        return CONVERSATION

    async def trace(self, conversation: str) -> LadderView:
        if not CALL["id"].startswith(conversation):
            raise NoSuch("trace of conversation", conversation)
        return LADDER

    async def reload(self, path: str | None, language: str) -> ReloadView:
        self.asked.append(("reload", path, language))
        if path is not None and path.endswith("bad.toml"):
            raise ConfigError([Problem(path, 3, 1, "switch.nmae", "unknown key", 'did you mean "name"?')])
        if path is not None and path.endswith("busy.toml"):
            raise NotPossible("another reload is under way")
        return ReloadView(
            path=path or "/etc/softswitch.toml", changes=["people.103 added: Ivan"], warnings=["x.toml:1:1 warning: y"]
        )

    async def password(self, extension: str) -> PasswordView:
        self._known(extension)
        return PasswordView(extension=extension, password="8m2k0qw7c4rt0kqz")

    async def tokens(self, extension: str) -> list[TokenRow]:
        return [TokenRow(id="t1", name="crm", created="2026-11-23T09:00:00.000Z")]

    async def token_create(self, extension: str, name: str) -> TokenView:
        self._known(extension)
        return TokenView(extension=extension, name=name, token="0123456789abcdef")

    async def token_revoke(self, extension: str, name: str) -> None:
        if name != "crm":
            raise NoSuch("token", name)

    async def supervise(
        self, employee: str, supervisor: str, mode: str, follow: bool, conversation: str | None
    ) -> None:
        self.asked.append(("supervise", employee, supervisor, mode, follow, conversation))
        if supervisor == "102":
            raise NotPermitted("employees may do this only with their own conversations")

    async def take_over(self, employee: str, supervisor: str, park: bool) -> None:
        self.asked.append(("take_over", employee, supervisor, park))

    async def leave(self, supervisor: str) -> None:
        self.asked.append(("leave", supervisor))

    async def ask_help(self, employee: str, whom: str) -> None:
        self.asked.append(("ask_help", employee, whom))

    async def end_help(self, employee: str) -> None:
        self.asked.append(("end_help", employee))

    async def mask(self, conversation: str, masked: bool) -> None:
        self.asked.append(("mask", conversation, masked))

    async def reviews(self, closed: bool, last: int) -> list[ReviewRow]:
        self.asked.append(("reviews", closed, last))
        return [REVIEW]

    async def review(self, conversation: str, employee: str | None) -> ReviewView:
        self.asked.append(("review", conversation, employee))
        if not CALL["id"].startswith(conversation):
            raise NoSuch("review", conversation)
        return REVIEWED

    async def review_ask(self, conversation: str, employee: str, note: str) -> ReviewView:
        self.asked.append(("review_ask", conversation, employee, note))
        return REVIEWED

    async def review_comment(
        self, conversation: str, employee: str | None, by: str, text: str, position: float | None, recording: int
    ) -> ReviewView:
        self.asked.append(("review_comment", conversation, employee, by, text, position, recording))
        if by == employee:
            raise NotPermitted("nobody reviews a conversation of their own")
        return REVIEWED

    async def review_mark(self, conversation: str, employee: str | None, by: str, mark: int) -> ReviewView:
        self.asked.append(("review_mark", conversation, employee, by, mark))
        return REVIEWED

    async def review_close(self, conversation: str, employee: str | None, by: str) -> ReviewView:
        self.asked.append(("review_close", conversation, employee, by))
        return REVIEWED

    def _known(self, extension: str) -> None:
        if extension not in {row["extension"] for row in PEOPLE}:
            raise NoSuch("person", extension)

    async def stop(self) -> None:
        self.asked.append(("stop",))

    async def events(self, since: int | None) -> AsyncIterator[EventRow]:
        self.streams += 1
        try:
            for row in EVENTS:
                if row["seq"] > (since or 0):
                    yield row
            if since is None:
                await asyncio.Event().wait()  # a quiet office: nothing comes any more
        finally:
            self.streams -= 1


class Broken(Switchboard):
    async def status(self) -> StatusView:
        raise RuntimeError("canary")


@contextmanager
def serving(path: Path, commands: Commands) -> Iterator[ControlSocket]:
    """Serve on a real socket from a loop in another thread, as a switch in another process would."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ControlSocket(path, commands)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
