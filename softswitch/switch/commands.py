"""What a running switch answers on its control socket."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from softswitch import __version__
from softswitch.api import present
from softswitch.api.views import (
    BanRow,
    CallRow,
    ConversationView,
    EventRow,
    LadderView,
    LatenessClass,
    MediaStatus,
    MediaThreadRow,
    PasswordView,
    PersonRow,
    ReloadView,
    ReviewRow,
    ReviewView,
    StatusView,
    TokenRow,
    TokenView,
    TrunkRow,
)
from softswitch.calls.control import Control
from softswitch.calls.modes import BESIDE, Mode
from softswitch.calls.supervision import Wish
from softswitch.config.settings import Language
from softswitch.errors import NoSuch, NotPossible
from softswitch.ids import ConversationId
from softswitch.sip.bans import Ban
from softswitch.sip.events import PutOnWire
from softswitch.switch.ground import port_pairs
from softswitch.switch.reviewing import SwitchReviews

if TYPE_CHECKING:
    from softswitch.media.socket_engine import MediaThread
    from softswitch.switch.switch import Switch

__all__ = ["SwitchCommands"]

CONSOLE = "console"
"""Who did it, where the command line did: whoever may open the control socket owns the switch."""


class SwitchCommands:
    """Implements ``api.commands.Commands`` for one switch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._reviews = SwitchReviews(switch)

    async def status(self) -> StatusView:
        switch = self._switch
        now = switch.clock.utc()
        settings = switch.settings
        reachable = {device.bound.person for device in switch.live.devices.values()}
        return StatusView(
            version=__version__,
            name=settings.switch.name,
            domain=settings.switch.domain,
            config=str(settings.path),
            pid=os.getpid(),
            started=present.instant(switch.started),
            uptime=round((now - switch.started).total_seconds(), 3),
            listening=[f"{item.transport}:{item.host}:{item.port}" for item in switch.listening],
            calls=len(switch.live.conversations),
            people=len(settings.directory.people),
            registered=len(reachable & settings.directory.people.keys()),
            trunks=self._trunks(),
            bans=self._bans(switch.endpoint.bans(switch.clock.now())),
            media=self._media(),
            counters=dict(switch.endpoint.counters + switch.shell.counters + Counter(switch.engine.counters())),
            warnings=[*switch.warnings, *switch.scarcity, *switch.alarms.values()],
        )

    def _trunks(self) -> list[TrunkRow]:
        states = self._switch.endpoint.trunks
        return [
            TrunkRow(
                name=name, server=f"{trunk.transport}:{trunk.host}:{trunk.port}", state=states.get(name, "unknown")
            )
            for name, trunk in self._switch.settings.plan.trunks.items()
        ]

    def _bans(self, bans: Sequence[Ban]) -> list[BanRow]:
        now = self._switch.clock.now()
        return [BanRow(source=ban.source, account=ban.account, left=round(ban.until - now, 3)) for ban in bans]

    def _media(self) -> MediaStatus:
        switch = self._switch
        p99, worst = _late(switch.engine.lateness())
        return MediaStatus(
            threads=len(switch.engine.describe()),
            ports_open=len(switch.pool),
            ports_total=port_pairs(switch.settings.rtp),
            recordings=sum(1 for fold in switch.live.conversations.values() if fold.open_recordings),
            late_p99=p99,
            late_max=worst,
            each=[_thread_row(thread) for thread in switch.engine.describe()],
        )

    async def metrics(self) -> str:
        return self._switch.metrics()

    async def people(self) -> list[PersonRow]:
        switch = self._switch
        return present.people(switch.settings.directory, switch.live, switch.clock.utc())

    async def calls(self, finished: int) -> list[CallRow]:
        switch = self._switch
        now, civil = switch.clock.now(), switch.clock.utc()
        scores = switch.control.scores
        rows = [
            present.call_row(fold.cdr(), fold.present(now, civil), fold.state, scores(conversation))
            for conversation, fold in switch.live.conversations.items()
        ]
        if finished:
            over = await switch.records.conversations(finished, running=False)
            rows += [present.call_row(cdr) for cdr in over]
        return rows

    async def show(self, conversation: str, language: str) -> ConversationView:
        switch = self._switch
        found = await switch.records.find(conversation)
        fold, now, civil = switch.live.conversations.get(found), switch.clock.now(), switch.clock.utc()
        return present.conversation_view(
            await switch.records.cdr(found),
            await switch.records.timeline(found),
            language,
            {extension: person.name for extension, person in switch.settings.directory.people.items()},
            civil if fold is None else fold.present(now, civil),
        )

    async def trace(self, conversation: str) -> LadderView:
        switch = self._switch
        found = await switch.records.find(conversation)
        parties = {leg.call_id: leg.party for leg in (await switch.records.cdr(found)).legs}
        entries = switch.trace.ladder(parties)
        if not entries:
            raise NoSuch("trace of conversation", found)
        now, civil = switch.clock.now(), switch.clock.utc()
        return present.ladder_view(found, entries, parties, lambda at: civil - timedelta(seconds=now - at))

    async def reload(self, path: str | None, language: str) -> ReloadView:
        switch = self._switch
        spoken: Language = "ru" if language == "ru" else "en"
        changes = switch.reload(Path(path) if path else None, spoken)
        return ReloadView(path=str(switch.settings.path), changes=changes, warnings=switch.warnings)

    async def unban(self, source: str | None, account: str | None) -> list[BanRow]:
        switch = self._switch
        return self._bans(switch.control.unban(source, account, switch.clock.now()))

    async def password(self, extension: str) -> PasswordView:
        return PasswordView(extension=extension, password=await self._switch.login.make_password(extension, CONSOLE))

    async def tokens(self, extension: str) -> list[TokenRow]:
        login = self._switch.login
        await login.ready()
        return [present.token_row(one) for one in login.grants.of(extension, "token")]

    async def token_create(self, extension: str, name: str) -> TokenView:
        token, _ = await self._switch.login.make_token(extension, name, CONSOLE)
        return TokenView(extension=extension, name=name, token=token)

    async def token_revoke(self, extension: str, name: str) -> None:
        await self._switch.login.revoke_token(extension, name, CONSOLE)

    async def supervise(
        self, employee: str, supervisor: str, mode: str, follow: bool, conversation: str | None
    ) -> None:
        if mode not in BESIDE:
            raise NotPossible(f"there is no mode {mode!r}, only {', '.join(BESIDE)}")
        where = None if conversation is None else self._running(conversation)
        wish = Wish(
            supervisor=supervisor, employee=employee, mode=Mode(mode), via="cli", follow=follow, conversation=where
        )
        self._order(lambda control, now: control.supervise(wish, now))

    async def take_over(self, employee: str, supervisor: str, park: bool) -> None:
        self._order(lambda control, now: control.take_over(supervisor, employee, now, park=park))

    async def leave(self, supervisor: str) -> None:
        self._order(lambda control, now: control.stop_supervising(supervisor, now))

    async def ask_help(self, employee: str, whom: str) -> None:
        self._order(lambda control, now: control.ask_help(employee, whom, "cli", now))

    async def end_help(self, employee: str) -> None:
        self._order(lambda control, now: control.end_help(employee, now))

    async def mask(self, conversation: str, masked: bool) -> None:
        found = await self._switch.records.find(conversation)
        self._switch.mask(found, masked, by=CONSOLE, via="cli")

    async def reviews(self, closed: bool, last: int) -> list[ReviewRow]:
        return await self._reviews.listed(last, closed=closed)

    async def review(self, conversation: str, employee: str | None) -> ReviewView:
        return await self._reviews.one(conversation, employee)

    async def review_ask(self, conversation: str, employee: str, note: str) -> ReviewView:
        return await self._reviews.ask(conversation, employee, note)

    async def review_comment(
        self, conversation: str, employee: str | None, by: str, text: str, position: float | None, recording: int
    ) -> ReviewView:
        return await self._reviews.comment(conversation, employee, by, text, position, recording)

    async def review_mark(self, conversation: str, employee: str | None, by: str, mark: int) -> ReviewView:
        return await self._reviews.mark(conversation, employee, by, mark)

    async def review_close(self, conversation: str, employee: str | None, by: str) -> ReviewView:
        return await self._reviews.close(conversation, employee, by)

    def _running(self, beginning: str) -> ConversationId:
        """Return the one running conversation whose id begins so. Raises NoSuch if there is none or more than one."""
        found = [call.id for call in self._switch.control.calls if call.id.startswith(beginning)]
        if len(found) != 1:
            raise NoSuch("running conversation", beginning)
        return found[0]

    def _order(self, order: Callable[[Control, float], list[PutOnWire]]) -> None:
        switch = self._switch
        switch.shell.carry_out(order(switch.control, switch.clock.now()))

    async def stop(self) -> None:
        self._switch.request_stop()

    async def events(self, since: int | None) -> AsyncIterator[EventRow]:
        # First the subscription, then the past: what happens in between comes twice, and is told once.
        subscription = self._switch.bus.subscribe()
        try:
            told = 0
            if since is not None:
                async for event in self._switch.records.since(since):
                    told = event.seq
                    yield present.event_row(event)
            async for event in subscription:
                if event.seq > max(told, since or 0):
                    yield present.event_row(event)
        finally:
            self._switch.bus.unsubscribe(subscription)


def _late(lateness: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """The bounds that 99 of 100 ticks, and all of them, stayed below; 0.0 while there was none."""
    total, seen, p99, worst = sum(count for _, count in lateness), 0, 0.0, 0.0
    for bound, count in lateness:
        seen += count
        if count:
            worst = bound
        if p99 == 0.0 and total and seen >= 0.99 * total:
            p99 = bound
    return p99, worst


def _thread_row(thread: MediaThread) -> MediaThreadRow:
    p99, worst = _late(thread.lateness)
    return MediaThreadRow(
        ports=thread.ports,
        priority=thread.priority,
        late_p99=p99,
        late_max=worst,
        lateness=[LatenessClass(below=bound, ticks=count) for bound, count in thread.lateness if count],
    )
