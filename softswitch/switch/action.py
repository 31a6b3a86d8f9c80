"""A program that attends to a caller, written as a coroutine of the host."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Literal

from softswitch.calls.call import Call
from softswitch.calls.control import Control
from softswitch.clock import Clock
from softswitch.errors import NotPossible
from softswitch.ids import ConversationId
from softswitch.log import Log
from softswitch.media import sounds
from softswitch.media.engine import File, Tone
from softswitch.sip.events import PutOnWire

__all__ = ["Action", "ActionCall", "Stage"]


class Stage:
    """Where coroutines attend to callers: what they ask is carried out while it is ``open``.

    ``spawn`` runs a coroutine until it ends or the switch stops.
    """

    def __init__(
        self,
        control: Control,
        carry_out: Callable[[Iterable[PutOnWire]], None],
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        log: Log,
    ) -> None:
        self.open = False
        self._control, self._carry_out, self._clock, self._spawn, self._log = control, carry_out, clock, spawn, log

    def act(self, action: Callable[[], object]) -> None:
        """Raises NotPossible when the switch has stopped."""
        if not self.open:
            raise NotPossible("the switch has stopped")
        self._carry_out(self._control.act(action, self._clock.now()))

    def dial(self, call: Call, number: str) -> None:
        now = self._clock.now()
        self.act(lambda: call.dial(number, now))

    def release(self, call: Call) -> None:
        now = self._clock.now()
        self.act(lambda: call.hang_up(now))

    def dismiss(self, call: Call) -> None:
        now = self._clock.now()
        self.act(lambda: call.dismiss(now))

    def start(self, action: Action, call: ActionCall) -> None:
        self._spawn(self._run(action, call))

    async def _run(self, action: Action, call: ActionCall) -> None:
        try:
            await action(call)
        except NotPossible as error:
            # The caller left in the midst: nothing more to do for him. Else it was a sound that cannot be played, say.
            if not call.ended.is_set():
                self._log.error("action failed", conversation=call.conversation, error=str(error))
        except Exception as error:
            # The host's mistake ends this call, not the switch.
            self._log.error("action failed", conversation=call.conversation, error=repr(error))
        if not call.sent_on and not call.ended.is_set():
            with contextlib.suppress(NotPossible):
                call.dismiss()


class ActionCall:
    """The caller, in the hands of a coroutine. Every method raises NotPossible once the caller has gone.

        async def greet(call: ActionCall) -> None:
            await call.answer()
            await call.play("welcome.wav")
            if await call.digit(within=5) == "1":
                await call.dial("101")

    When the coroutine ends and the caller was not sent on, he is hung up; if ``dial`` came to nothing he first
    hears why, busy tone say, or is refused with its status where he was never answered.
    """

    def __init__(self, stage: Stage, action: Action) -> None:
        self._stage, self._action = stage, action
        self._digits: asyncio.Queue[str | None] = asyncio.Queue()
        self._waiting: asyncio.Future[str] | None = None
        self.sent_on = False
        self.ended = asyncio.Event()
        """Set when the conversation is over."""

    @property
    def conversation(self) -> ConversationId:
        return self._call.id

    @property
    def caller(self) -> str:
        """The caller's display name."""
        return self._call.caller_name

    async def answer(self) -> None:
        """Answer; from here on the caller pays and hears."""
        self._stage.act(self._call.answer)

    async def play(self, sound: Tone | File | Path | str) -> None:
        """Play to the caller and wait for the end; an endless sound is played until the next command."""
        source = File(Path(sound)) if isinstance(sound, Path | str) else sound
        if isinstance(source, File):
            # Decoding takes as long as the disk does: it must not hold up the loop.
            await asyncio.to_thread(sounds.load, source.path)
        endless = source.loop if isinstance(source, File) else source.repeat is None
        done = self._expect()
        self._stage.act(lambda: self._call.play(source))
        if not endless:
            await done

    async def digit(self, within: float | None = None) -> str | None:
        """Return the next digit that the caller presses, None after ``within`` seconds without one."""
        self._check()
        try:
            async with asyncio.timeout(within):
                digit = await self._digits.get()
        except TimeoutError:
            return None
        self._check()
        return digit

    async def mask(self, masked: bool = True) -> None:
        """Keep what the caller says and presses out of the recording and the timeline (card numbers), or end that."""
        self._stage.act(lambda: self._call.mask(masked))

    async def dial(self, number: str) -> str:
        """Send the caller on as the dial plan says; return "answered", "busy", "no answer", "declined"..."""
        done = self._expect()
        self._stage.dial(self._call, number)
        return await done

    async def tone(self, name: Literal["ringback", "busy", "congestion", "unobtainable"]) -> None:
        """Play a tone of the office's country to the caller until the next command."""
        self._stage.act(lambda: self._call.play(getattr(self._call.office.tones, name)))

    def dismiss(self) -> None:
        """What is done with a caller with whom the coroutine is through."""
        self._stage.dismiss(self._call)

    async def hang_up(self) -> None:
        self._stage.release(self._call)

    # Attendant: what the call tells ----------------------------------------------------------------------------------

    def arrived(self, call: Call) -> None:
        self._call = call
        self._stage.start(self._action, self)

    def digit_pressed(self, digit: str) -> None:
        self._digits.put_nowait(digit)

    def played(self) -> None:
        self._settle("played")

    def connected(self) -> None:
        self.sent_on = True
        self._settle("answered")

    def refused(self, result: str) -> None:
        self._settle(result)

    def gone(self) -> None:
        self.ended.set()
        self._digits.put_nowait(None)  # wakes whoever waits for a digit
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(NotPossible("the caller has gone"))
            self._waiting.exception()  # nobody may be waiting for it

    def _check(self) -> None:
        if self.ended.is_set():
            raise NotPossible("the caller has gone")

    def _expect(self) -> asyncio.Future[str]:
        self._check()
        self._settle("interrupted")
        self._waiting = asyncio.get_running_loop().create_future()
        return self._waiting

    def _settle(self, result: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(result)


Action = Callable[[ActionCall], Awaitable[None]]
