"""One switch: every part built from settings, started and stopped in the right order.

    journal -> what the process before left behind -> media core -> call control -> SIP -> control socket

Stopping goes the other way. Nothing here is global: two switches live in one
process as long as their data folders and ports differ.
"""

from __future__ import annotations

import asyncio
import contextlib
import wave
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from softswitch import __version__
from softswitch import events as facts
from softswitch.api.socket import SOCKET_NAME, ControlSocket
from softswitch.bus import Bus, Subscription
from softswitch.calls.call import Call
from softswitch.calls.control import Control
from softswitch.calls.office import Office
from softswitch.clock import SystemClock
from softswitch.config import ConfigError, Settings, diff, load
from softswitch.config.load import Loaded
from softswitch.errors import NotPossible
from softswitch.events import Event
from softswitch.ids import ConversationId, Ids, NodeId
from softswitch.log import Log, make_logger
from softswitch.media import sounds
from softswitch.media.engine import File
from softswitch.media.ports import PortPool
from softswitch.media.socket_engine import SocketEngine
from softswitch.media.writer import Writer
from softswitch.records.journal import Journal
from softswitch.records.live import Live
from softswitch.records.query import Records
from softswitch.records.recovery import closing_events
from softswitch.sip.endpoint import Endpoint
from softswitch.sip.events import PutOnWire, Transport
from softswitch.sip.settings import SipSettings
from softswitch.sip.trace import Trace
from softswitch.sip.transport.shell import Listen, SipShell
from softswitch.store.spool import Alarm
from softswitch.switch.action import Action, ActionCall
from softswitch.switch.addresses import Addresses
from softswitch.switch.authority import Directory
from softswitch.switch.commands import SwitchCommands
from softswitch.switch.inheritance import bindings_of, dialogs_of, mend_recordings

__all__ = ["Switch"]

RESOLVE = 60.0
"""Seconds between look-ups of providers that are configured by name."""

STOP = 5.0
"""Seconds that a stopping switch waits for BYEs to be answered and recordings to be closed."""


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
        self.alarms: dict[str, str] = {}
        self._ids = ids or Ids()
        self._log = log or make_logger()
        self._stop_wanted = asyncio.Event()
        self._running = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._actions: dict[str, Action] = {}

    # Life ------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start everything. Raises NotPossible, with nothing left running, when a port or the data folder is taken."""
        settings = self.settings
        settings.switch.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.recording.folder.mkdir(parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as undo:
            await self._start_journal(undo)
            self._start_media(undo)
            await self._start_sip(undo)
            self._take_over()
            control = ControlSocket(settings.switch.data / SOCKET_NAME, SwitchCommands(self), self._log)
            await control.start()
            undo.push_async_callback(control.close)
            self._tasks.add(asyncio.create_task(self._keep_resolved()))
            undo.push_async_callback(self._end_tasks)
            self._undo = undo.pop_all()
        self.started = self.clock.utc()
        self._running = True
        for number, action in self._actions.items():
            self.action(number)(action)
        self.bus.publish(facts.SwitchStarted(version=__version__))
        self._log.info("started", name=settings.switch.name, listening=[str(x) for x in self.listening])

    async def stop(self) -> None:
        """Release all calls, finish the recordings and the journal, close everything. May be called twice."""
        if not self._running:
            return
        self._running = False
        self.shell.carry_out(self.control.drain(self.clock.now(), end_calls=True))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP):
                while self.control.calls:
                    await self._call_closed.wait()
                    self._call_closed.clear()
        self.bus.publish(facts.SwitchStopped())
        self.bus.close()
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

    def hang_up(self, conversation: str) -> None:
        """End a conversation. Raises NoSuch."""
        self.shell.carry_out(self.control.hang_up(ConversationId(conversation), self.clock.now()))

    def action(self, number: str) -> Callable[[Action], Action]:
        """Give calls to ``number`` (as people dial it, or E.164 for calls from outside) to a coroutine.

        @switch.action("600")
        async def echo(call): ...
        """

        def register(action: Action) -> Action:
            self._actions[number] = action
            if self._running:
                self.control.attend(number, lambda: ActionCall(self, action))
            return action

        return register

    def reload(self, path: Path | None = None) -> list[str]:
        """Read the configuration again and swap it in; return what changed, a sentence each.

        Running calls keep the one they began with. Raises ConfigError; then the old one stays in force.
        """
        try:
            loaded = load(path or self.settings.path, language=self.settings.switch.language, create=True)
        except ConfigError as error:
            self.bus.publish(facts.ConfigRefused(problems=tuple(str(p) for p in error.problems)))
            raise
        changes = diff(self.settings, loaded.settings, self.settings.switch.language)
        self.settings = loaded.settings
        self.warnings = [str(w) for w in loaded.warnings]
        self._directory.use(loaded.settings)
        self.control.office = self._office()
        self.bus.publish(facts.ConfigReloaded(changes=tuple(changes)))
        return changes

    # Stage: what actions need ----------------------------------------------------------------------------------------

    def act(self, action: Callable[[], object]) -> None:
        self.shell.carry_out(self.control.act(action, self.clock.now()))

    def dial(self, call: Call, number: str) -> None:
        now = self.clock.now()
        self.act(lambda: call.dial(number, now))

    def release(self, call: Call) -> None:
        now = self.clock.now()
        self.act(lambda: call.hang_up(now))

    def start_action(self, action: Action, call: ActionCall) -> None:
        task = asyncio.get_running_loop().create_task(self._run_action(action, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_action(self, action: Action, call: ActionCall) -> None:
        try:
            await action(call)
        except NotPossible:
            pass  # The caller left in the midst: nothing more to do for him.
        except Exception as error:
            # The host's mistake ends this call, not the switch.
            self._log.error("action failed", conversation=call.conversation, error=repr(error))
        if not call.sent_on and not call.ended.is_set():
            await call.hang_up()

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
        self._recovered = await self.journal.recover()
        self.records = Records.open(switch.data, url)
        undo.push_async_callback(self.records.close)
        self.bus = Bus(self.journal.append)
        self.bus.listen(self.live.apply)

    def _start_media(self, undo: contextlib.AsyncExitStack) -> None:
        rtp = self.settings.rtp
        self.pool = PortPool(rtp.port_low, rtp.port_high, self._ids)
        self.writer = Writer()
        undo.callback(self.writer.stop)
        self.engine = SocketEngine(threads=rtp.threads or 1, pool=self.pool, writer=self.writer, ids=self._ids)
        undo.callback(self.engine.close)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.engine.fileno(), self._on_media)
        undo.callback(loop.remove_reader, self.engine.fileno())

    async def _start_sip(self, undo: contextlib.AsyncExitStack) -> None:
        settings = self.settings
        self._directory = Directory(settings)
        self.trace = Trace()
        self._call_closed = asyncio.Event()
        self._addresses = Addresses(
            settings.sip.public,
            settings.sip.local_nets,
            self._local_address,
        )
        sip = SipSettings(
            domain=settings.switch.domain,
            server=f"Softswitch/{__version__}",
            hosts=frozenset(item.host for item in settings.sip.listen),
            advertised=self._addresses.advertised,
            min_expires=round(settings.sip.expires_min),
            max_expires=round(settings.sip.expires),
            default_expires=round(settings.sip.expires),
            max_contacts=settings.sip.contacts,
            session_expires=round(settings.sip.session_expires),
            keepalive_interval=settings.sip.keep_alive,
        )
        self.endpoint = Endpoint(sip, self._ids, self._directory)
        self.control = Control(
            office=self._office(),
            endpoint=self.endpoint,
            engine=self.engine,
            publish=self._publish,
            media_address=self._addresses.media,
            ids=self._ids,
            clock=self.clock,
        )
        listen = [Listen(item.transport, item.host, item.port) for item in settings.sip.listen]
        self.shell: SipShell[PutOnWire] = SipShell(self.control, self.clock, listen, lambda _: None, trace=self.trace)
        try:
            await self.shell.start()
        except OSError as error:
            addresses = ", ".join(str(item) for item in settings.sip.listen)
            raise NotPossible(f"cannot listen on {addresses}: {error.strerror or error}") from error
        undo.push_async_callback(self.shell.close)

    def _local_address(self, transport: Transport, remote: str) -> tuple[str, int]:
        return self.shell.local_address(transport, remote)

    def _office(self) -> Office:
        settings = self.settings
        return Office(
            domain=settings.switch.domain,
            directory=settings.directory,
            plan=settings.plan,
            codecs=settings.rtp.codecs,
            recordings=settings.recording.folder,
            record_all=settings.recording.what == "all",
            media_timeout=settings.rtp.timeout,
            music=File(settings.switch.music or self._built_in_music(), loop=True),
        )

    def _built_in_music(self) -> Path:
        path = self.settings.switch.data / "sounds" / "hold.wav"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(sounds.RATE)
                file.writeframes(sounds.default_music())
        return path

    # What the process before left behind -----------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Close what died with the process before, take back the registrations, release the peers of dead dialogs."""
        recovered, now = self._recovered, self.clock.now()
        mended = mend_recordings(recovered, self.settings.recording.folder)
        for event in (*mended.events, *closing_events(recovered, self.clock.utc(), mended.evidence)):
            self.bus.publish(event)
        bindings = bindings_of(recovered, self.clock)
        self.endpoint.restore(bindings, now)
        for bound in recovered.bindings:
            self.live.apply(bound)
        for state in dialogs_of(recovered):
            self.shell.carry_out(self.control.release(state, now))
        if recovered.conversations:
            self._log.warning("closed what a crash left open", conversations=len(recovered.conversations))

    # Turning ---------------------------------------------------------------------------------------------------------

    def _publish(self, event: Event) -> None:
        self.bus.publish(event)
        if isinstance(event, facts.ConversationEnded):
            self._call_closed.set()

    def _on_media(self) -> None:
        self.shell.carry_out(self.control.media(self.engine.events(), self.clock.now()))

    def _on_alarm(self, alarm: Alarm) -> None:
        if alarm.raised:
            self.alarms[alarm.subject] = alarm.text
            self._log.error("alarm", subject=alarm.subject, text=alarm.text)
        elif self.alarms.pop(alarm.subject, None) is not None:
            self._log.info("alarm over", subject=alarm.subject, text=alarm.text)

    async def _keep_resolved(self) -> None:
        while True:
            await self._directory.resolve()
            await asyncio.sleep(RESOLVE)

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
