"""One switch: every part built from settings, started and stopped in the right order.

    journal -> what the process before left behind -> media core -> call control -> SIP -> control socket -> API

Stopping goes the other way. Nothing here is global: two switches live in one
process as long as their data folders and ports differ.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from softswitch import __version__
from softswitch import events as facts
from softswitch.bus import Bus, Subscription
from softswitch.calls.control import Control
from softswitch.clock import SystemClock
from softswitch.config import ConfigError, Settings, diff, load
from softswitch.config.load import Loaded
from softswitch.config.settings import Language
from softswitch.errors import NotPossible
from softswitch.events import Event
from softswitch.ids import ConversationId, Ids, NodeId
from softswitch.log import Log, make_logger
from softswitch.media.engine import MediaEvent
from softswitch.media.ports import PortPool
from softswitch.media.socket_engine import SocketEngine
from softswitch.media.writer import Writer
from softswitch.records.journal import Journal
from softswitch.records.live import Live
from softswitch.records.query import Records
from softswitch.records.recovery import closing_events
from softswitch.sip.endpoint import Endpoint
from softswitch.sip.events import PutOnWire, Transport
from softswitch.sip.trace import Trace
from softswitch.sip.transport.shell import Listen, SipShell
from softswitch.store.database import Database
from softswitch.store.spool import Alarm
from softswitch.switch.action import Action, ActionCall, Stage
from softswitch.switch.addresses import Addresses
from softswitch.switch.alarms import Alarms
from softswitch.switch.authority import Directory
from softswitch.switch.clearing import Clearing
from softswitch.switch.extracts import office_of, sip_settings_of
from softswitch.switch.ground import (
    check_folders,
    check_ports,
    default_music,
    default_threads,
    preload,
    scarcity,
    taken,
)
from softswitch.switch.inheritance import bans_of, bindings_of, dialogs_of, disconnected, mend_recordings
from softswitch.switch.metrics import Metrics
from softswitch.switch.reload import in_force

if TYPE_CHECKING:
    from fastapi import FastAPI


__all__ = ["Switch"]

RESOLVE = 60.0
"""Seconds between look-ups of providers that are configured by name."""

STOP = 5.0
"""Seconds that a stopping switch waits for BYEs to be answered and recordings to be closed."""

STOP_POLL = 0.02
"""Seconds between two looks at what a stop waits for."""

OVERLOADED = "more calls come than can be set up: new ones are answered 503"
CALM = 10.0
"""Seconds without a refused call after which an overload is over."""

LOGIN_BUSY = 10.0
"""Seconds that a login waits for the database while the journal writes into it."""

LET_GO = 1.0
"""Seconds that a cancelled action has to clean up; one that does not heed is left behind."""


class Switch:
    """A switch inside the running event loop.

        async with Switch(load("softswitch.toml")) as switch:
            async for event in switch.events():
                print(event)

    ``settings`` may be what ``softswitch.load`` returned. All methods belong to
    the loop in which ``start`` was awaited.
    """

    def __init__(self, settings: Settings | Loaded, *, log: Log | None = None, ids: Ids | None = None) -> None:
        self.settings = settings.settings if isinstance(settings, Loaded) else settings
        self.warnings = [str(w) for w in settings.warnings] if isinstance(settings, Loaded) else []
        self.clock = SystemClock()
        self.live = Live()
        self.reviewing = asyncio.Lock()
        self._metrics = Metrics(self)
        self._ids = ids or Ids()
        self._log = log or make_logger()
        self.alarms = Alarms(self._log)
        self._stop_wanted = asyncio.Event()
        self._stopping_orderly = False
        self._running = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._actions: dict[str, Action] = {}
        self.web_address: tuple[str, int] | None = None

    # Life ------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start everything. Raises NotPossible, with nothing left running, when a port or a folder cannot be had."""
        settings = self.settings
        self.live, self.alarms = Live(), Alarms(self._log)
        self._stopping_orderly = False
        self._stop_wanted.clear()
        await asyncio.to_thread(check_folders, settings)
        check_ports(settings)
        async with contextlib.AsyncExitStack() as undo:
            await self._start_journal(undo)
            await self._start_media(undo)
            self._prepare_sip()
            self._take_over()
            await self._start_sip(undo)
            self._release_dialogs()
            await self._close_what_died()
            await self._prepare_login(undo)
            self.started = self.clock.utc()
            await self._start_control(undo)
            await self._start_web(undo)
            undo.push_async_callback(self._end_tasks)
            self._spawn(self._keep_resolved())
            self._spawn(self.clearing.go_on())
            self._spawn(self._load_music())
            self._spawn(self._watch_load())
            self._undo = undo.pop_all()
        self._running = self._stage.open = True
        for number, action in self._actions.items():
            self.action(number)(action)
        self._publish(facts.SwitchStarted(version=__version__))
        self._log.info(
            "started", name=settings.switch.name, listening=[str(x) for x in self.listening], web=self.web_address
        )
        for warning in self.scarcity:
            self._log.warning(warning)

    async def stop(self) -> None:
        """Release all calls, finish the recordings and the journal, close everything. May be called twice."""
        if not self._running:
            return
        self._running = False
        self.shell.carry_out(self.control.drain(self.clock.now(), end_calls=True))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP):
                while self.control.calls or self.endpoint.unsettled:  # noqa: ASYNC110 - seen from outside only
                    await asyncio.sleep(STOP_POLL)
        await self._undo.aclose()
        self._stop_wanted.set()
        self._log.info("stopped")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stopped(self) -> None:
        """Wait until somebody asks for a stop (``request_stop``, or ``softswitch stop``)."""
        await self._stop_wanted.wait()

    def request_stop(self) -> None:
        self._stop_wanted.set()

    # What a host program may ask -------------------------------------------------------------------------------------

    def events(self) -> Subscription:
        """Return an async iterator over the typed events from now on; it ends when the switch stops."""
        return self.bus.subscribe()

    @property
    def running(self) -> bool:
        return self._running

    def metrics(self) -> str:
        """Return what a monitoring system reads, in the text format of Prometheus (``switch.metrics.CONTENT_TYPE``)."""
        return self._metrics.text()

    def hang_up(self, conversation: str) -> None:
        """End a conversation. Raises NoSuch, and NotPossible unless the switch runs."""
        if not self._running:
            raise NotPossible("the switch is not running")
        self.shell.carry_out(self.control.hang_up(ConversationId(conversation), self.clock.now()))

    def mask(self, conversation: str, masked: bool = True, *, by: str = "", via: str = "program") -> None:
        """Keep what everybody in a conversation says and presses out of its recording and timeline, or end that.

        Raises NoSuch, and NotPossible unless the switch runs and two talk there who are not masked (are, to end it).
        """
        if not self._running:
            raise NotPossible("the switch is not running")
        now = self.clock.now()
        self.shell.carry_out(self.control.mask(ConversationId(conversation), masked, by, via, now))

    def api(self, origin: str | None = None) -> FastAPI:
        """Return the API of the running switch as an ASGI app, for a host that mounts it into its own.

        ``origin`` is what browsers call the host, if that is not the Host that they send.
        """
        from softswitch.switch.web import make_app

        return make_app(self, origin)

    def action(self, number: str) -> Callable[[Action], Action]:
        """Give calls to ``number`` (as people dial it, or E.164 for calls from outside) to a coroutine.

        @switch.action("600")
        async def echo(call): ...
        """

        def register(action: Action) -> Action:
            self._actions[number] = action
            if self._running:
                self.control.attend(number, lambda: ActionCall(self._stage, action))
            return action

        return register

    def reload(self, path: Path | None = None, language: Language | None = None) -> list[str]:
        """Read the configuration again and swap it in; return what changed, a sentence each.

        Running calls keep the one they began with. What needs a restart is said
        so, and stays as it is until then. Whoever was removed, or has another
        password, loses the registrations made with the old one. Raises ConfigError,
        and NotPossible when the new file can only be taken at a start; then the old
        one stays in force, wholly.
        """
        if not self._running:
            raise NotPossible("the switch is not running")
        language = language or self.settings.switch.language
        try:
            loaded = load(path or self.settings.path, language=language, create=True)
            settings = in_force(self.settings, loaded.settings)
        except ConfigError as error:
            self._publish(facts.ConfigRefused(problems=tuple(str(p) for p in error.problems)))
            raise
        except NotPossible as error:
            self._publish(facts.ConfigRefused(problems=(str(error),)))
            raise
        changes = diff(self.settings, loaded.settings, language)
        before, self.settings = self.settings.directory.people, settings
        self.warnings = [str(w) for w in loaded.warnings]
        self._directory.use(settings)
        self._addresses.use(settings.sip.public, settings.sip.local_nets)
        self.endpoint.use(sip_settings_of(self.settings, self._addresses.advertised))
        self.control.office = office_of(self.settings, self._music)
        for person, old in before.items():
            new = settings.directory.people.get(person)
            if new is None or new.ha1 != old.ha1:
                self.shell.carry_out(self.control.unregister(person, self.clock.now()))
        self._spawn(self._after_reload())
        self._publish(facts.ConfigReloaded(changes=tuple(changes)))
        return changes

    async def _after_reload(self) -> None:
        """What of a new configuration needs the disk or the network."""
        await self._directory.resolve()
        from softswitch.directory.login import NotNow

        try:
            await self.login.forget_strangers()
        except NotNow:
            self._log.warning("logins of people who left are kept until the next start")
        await self._load_music()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def log(self) -> Log:
        return self._log

    @property
    def scarcity(self) -> list[str]:
        """What the machine will not give when the office is at its fullest."""
        return scarcity(self.settings)

    @property
    def listening(self) -> list[Listen]:
        return self.shell.listening

    # Parts -----------------------------------------------------------------------------------------------------------

    async def _start_journal(self, undo: contextlib.AsyncExitStack) -> None:
        switch = self.settings.switch
        url = switch.database if isinstance(switch.database, str) else None
        node = NodeId(switch.domain)
        self.journal = Journal.open(switch.data, node=node, clock=self.clock, url=url, alarm=self._on_alarm)
        undo.push_async_callback(self.journal.close)
        self._recovered = await self.journal.recover(beat=False)
        self.records = Records.open(switch.data, url)
        undo.push_async_callback(self.records.close)
        self.bus = Bus(
            self.journal.append,
            lambda: self._log.warning("a reader of events is too slow, and does not get the oldest ones"),
        )
        self.clearing = Clearing(lambda: self.settings, self.records, self._publish, self.alarms, self.clock, self._log)
        self.bus.listen(self.live.apply)
        self.bus.listen(self._metrics.apply)
        self.bus.listen(self.alarms.apply)
        undo.callback(self._say_goodbye)

    def _say_goodbye(self) -> None:
        """The last event of an orderly stop, when nobody is left who could publish another."""
        self._stage.open = False
        if self._stopping_orderly:
            self.bus.publish(facts.SwitchStopped())
        self.bus.close()

    async def _start_media(self, undo: contextlib.AsyncExitStack) -> None:
        rtp = self.settings.rtp
        self.pool = PortPool(rtp.port_low, rtp.port_high, self._ids)
        self.writer = Writer()
        undo.callback(self.writer.stop)
        threads = rtp.threads or default_threads()
        self.engine = SocketEngine(threads=threads, pool=self.pool, writer=self.writer, ids=self._ids)
        undo.callback(self.engine.close)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.engine.fileno(), self._on_media)
        undo.callback(loop.remove_reader, self.engine.fileno())
        self._music = await asyncio.to_thread(default_music, self.settings.switch.data)

    async def _load_music(self) -> None:
        """Decode what people on hold hear now, lest the first of them holds up the loop."""
        shuffled = self.settings.switch.music_play == "shuffle"
        for path in (self._music, self.settings.switch.music):
            problem = None if path is None else await asyncio.to_thread(preload, path, shuffled=shuffled)
            self.alarms.tell("music", problem)
        for key, group in self.settings.directory.groups.items():
            if group.announcement is not None:
                self.alarms.tell(
                    f"announcement of {key}", await asyncio.to_thread(preload, group.announcement, shuffled=False)
                )

    def _prepare_sip(self) -> None:
        settings = self.settings
        self._directory = Directory(settings)
        self.trace = Trace()
        self._addresses = Addresses(settings.sip.public, settings.sip.local_nets, self._local_address)
        self.endpoint = Endpoint(sip_settings_of(self.settings, self._addresses.advertised), self._ids, self._directory)
        self.control = Control(
            office=office_of(self.settings, self._music),
            endpoint=self.endpoint,
            engine=self.engine,
            publish=self._publish,
            media_address=self._addresses.media,
            ids=self._ids,
            clock=self.clock,
        )
        listen = [Listen(item.transport, item.host, item.port) for item in settings.sip.listen]
        self.shell: SipShell[PutOnWire] = SipShell(
            self.control,
            self.clock,
            listen,
            lambda _: None,
            trace=self.trace,
            on_waited=self._note_wait,
        )
        self._stage = Stage(self.control, self.shell.carry_out, self.clock, self._spawn, self._log)

    async def _start_sip(self, undo: contextlib.AsyncExitStack) -> None:
        listen = self.settings.sip.listen
        try:
            await self.shell.start()
        except OSError as error:
            raise NotPossible(f"cannot listen on {taken(listen)}: {error.strerror or error}") from error
        undo.push_async_callback(self.shell.close)

    def _local_address(self, transport: Transport, remote: str) -> tuple[str, int]:
        return self.shell.local_address(transport, remote)

    async def _prepare_login(self, undo: contextlib.AsyncExitStack) -> None:
        await _loaded("softswitch.directory.login")
        from softswitch.directory.grants import Grants
        from softswitch.directory.login import Login

        database = Database(self.settings.switch.database, busy=LOGIN_BUSY)
        undo.push_async_callback(database.close)
        self.login = Login(
            Grants(database, self._ids),
            directory=lambda: self.settings.directory,
            publish=self._publish,
            clock=self.clock,
            ids=self._ids,
        )

    async def _start_control(self, undo: contextlib.AsyncExitStack) -> None:
        await _loaded("softswitch.api.socket", "softswitch.switch.commands")
        from softswitch.api.socket import SOCKET_NAME, ControlSocket
        from softswitch.switch.commands import SwitchCommands

        control = ControlSocket(self.settings.switch.data / SOCKET_NAME, SwitchCommands(self), self._log)
        await control.start()
        undo.push_async_callback(control.close)

    async def _start_web(self, undo: contextlib.AsyncExitStack) -> None:
        self.web_address = None
        if self.settings.web is None:
            return
        await _loaded("softswitch.switch.web")
        from softswitch.switch.web import start_web

        self.web_address = await start_web(self, undo)

    # What the process before left behind -----------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Take back the registrations and the bans."""
        for bound in self._recovered.bindings:
            self.live.apply(bound)
        self.endpoint.restore(bindings_of(self._recovered, self.clock), self.clock.now())
        self.endpoint.restore_bans(bans_of(self._recovered, self.clock))

    def _release_dialogs(self) -> None:
        """Release the peers of dead dialogs: those in a call, those that ring, those that wait.

        This comes before their conversations are closed: who dies in between
        leaves them to the next process, and a peer may well be released twice.
        """
        for state in dialogs_of(self._recovered):
            self.shell.carry_out(self.control.release(state, self.clock.now()))

    async def _close_what_died(self) -> None:
        recovered = self._recovered
        mended = await asyncio.to_thread(mend_recordings, recovered, self.settings.recording.folder)
        now = self.clock.utc()
        for event in (
            *mended.events,
            *closing_events(recovered, now, mended.evidence),
            *disconnected(recovered, now),
        ):
            self.bus.publish(event)
        self.journal.begin_beat()
        if recovered.conversations:
            self._log.warning("closed what a crash left open", conversations=len(recovered.conversations))

    # Turning ---------------------------------------------------------------------------------------------------------

    def _publish(self, event: Event) -> None:
        self.bus.publish(event)

    def _note_wait(self, waited: float, now: float, local: tuple[str, int]) -> None:
        # What waited for the start of the switch says nothing about how many calls it can carry.
        if self._running:
            self.endpoint.overload.note(waited, now, local)

    def _on_media(self) -> None:
        for event in self.engine.events():
            self._take_media(event)

    def _take_media(self, event: MediaEvent) -> None:
        self._metrics.take(event)
        try:
            self.shell.carry_out(self.control.media((event,), self.clock.now()))
        except Exception:
            # A fault of ours in one call must not cost the others their events.
            self._log.exception("a media event was not survived", kind=type(event).__name__)

    def _on_alarm(self, alarm: Alarm) -> None:
        self.alarms.tell(alarm.subject, alarm.text if alarm.raised else None)

    async def _keep_resolved(self) -> None:
        while True:
            try:
                await self._directory.resolve()
            except Exception:
                self._log.exception("names of trunks were not looked up")
            await asyncio.sleep(RESOLVE)

    async def _watch_load(self) -> None:
        """Say when calls are refused for want of time, and that it is over when none was for a while."""
        overload, seen = self.endpoint.overload, self.endpoint.overload.refused
        while True:
            await asyncio.sleep(CALM if "overload" in self.alarms else 1.0)
            refused = overload.refused > seen
            seen = overload.refused
            self.alarms.tell("overload", OVERLOADED if refused else None)

    async def _end_tasks(self) -> None:
        self._stopping_orderly = not self._running
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            _, deaf = await asyncio.wait(self._tasks, timeout=LET_GO)
            if deaf:
                self._log.warning("actions did not end", count=len(deaf))


async def _loaded(*modules: str) -> None:
    """Import in a thread what telephones need not wait for: from here on they are served meanwhile."""
    await asyncio.to_thread(lambda: [importlib.import_module(module) for module in modules])
