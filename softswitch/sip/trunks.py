"""Whether trunks are there: OPTIONS to each, and what calls found out.

A trunk is taken for dead when a call got no response at all from it, or when it
stops answering OPTIONS; it is taken back after ``GOOD`` good answers in a row.
Many providers never answer OPTIONS: silence of one that has never answered says
nothing, and after a failed call such a trunk rests for ``REST`` and is then
tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from softswitch.sip.events import Flow, TrunkReachability
from softswitch.sip.message import Response
from softswitch.sip.question import Questions
from softswitch.sip.session import Action, Stack
from softswitch.sip.settings import TrunkPeer
from softswitch.sip.transactions import TransactionKey
from softswitch.sip.uri import Uri

__all__ = ["TrunkState", "TrunkWatch"]

PATIENCE: Final = 4.0
"""Seconds of silence after a question; on UDP it has been sent four times by then."""
WHILE_DOWN: Final = 5.0
"""Seconds between the questions to a trunk that is down."""
GOOD: Final = 3
REST: Final = 30.0
BAD: Final = frozenset({408, 502, 503, 504})
"""Answers of something in front of the trunk, or of a trunk that takes no calls. All others are signs of life."""

TrunkState = Literal["up", "down", "unknown"]
"""``unknown``: nothing speaks against it, but it has never answered OPTIONS."""


@dataclass(slots=True, eq=False)
class _Trunk:
    peer: TrunkPeer
    ask_at: float | None
    reachable: bool = True
    heard: bool = False
    good: int = 0
    asking: TransactionKey | None = None
    rest_until: float | None = None

    @property
    def next(self) -> float | None:
        times = [at for at in (self.ask_at, self.rest_until) if at is not None]
        return min(times, default=None)


class TrunkWatch:
    """One question per trunk is under way at most; while it is, ``ask_at`` is when its silence is believed."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._questions: Questions | None = None
        self._trunks: dict[str, _Trunk] = {}
        self._asked: dict[TransactionKey, _Trunk] = {}
        self.deadline: float | None = None
        self.use()

    def use(self) -> None:
        """Watch the trunks of the settings in force; those that are as they were keep their state."""
        known, self._trunks = self._trunks, {}
        for peer in self._stack.settings.trunks:
            old = known.get(peer.name)
            # The first question goes out at the next tick, whatever the clock says.
            fresh = _Trunk(peer, ask_at=None if peer.keep_alive is None else 0.0)
            self._trunks[peer.name] = old if old is not None and old.peer == peer else fresh
        self._asked = {key: trunk for key, trunk in self._asked.items() if self._trunks.get(trunk.peer.name) is trunk}
        self._rearm()

    @property
    def states(self) -> Mapping[str, TrunkState]:
        return {
            name: "down" if not trunk.reachable else "up" if trunk.heard else "unknown"
            for name, trunk in self._trunks.items()
        }

    def call_failed(self, name: str, now: float) -> list[Action]:
        """A call got no response at all from this trunk."""
        trunk = self._trunks.get(name)
        if trunk is None:
            return []
        out = self._down(trunk, "a call got no response", now)
        self._rearm()
        return out

    def tick(self, now: float) -> list[Action]:
        if self.deadline is None or now < self.deadline:
            return []
        out: list[Action] = []
        for trunk in self._trunks.values():
            if trunk.rest_until is not None and trunk.rest_until <= now:
                out += self._up(trunk, "tried again")
            if trunk.ask_at is not None and trunk.ask_at <= now:
                out += self._ask(trunk, now) if trunk.asking is None else self._bad(trunk, "no answer to OPTIONS", now)
        self._rearm()
        return out

    def on_response(self, key: TransactionKey, response: Response, flow: Flow, now: float) -> list[Action]:
        if response.status < 200:
            return []
        trunk = self._asked.pop(key, None)
        if trunk is None or trunk.asking != key:
            return []
        out: list[Action] = []
        if response.status in BAD:
            trunk.heard = True
            out = self._bad(trunk, f"OPTIONS answered {response.status}", now)
        else:
            out = self._good(trunk, now)
        self._rearm()
        return out

    def on_failed(self, key: TransactionKey, why: Literal["timeout", "transport"], now: float) -> list[Action]:
        trunk = self._asked.pop(key, None)
        if trunk is None or trunk.asking != key:
            return []
        # What the network says of the way there counts, whether the trunk knows OPTIONS or not.
        out = self._bad(trunk, "no way to it" if why == "transport" else "no answer to OPTIONS", now)
        if why == "transport":
            out += self._down(trunk, "no way to it", now)
        self._rearm()
        return out

    def _ask(self, trunk: _Trunk, now: float) -> list[Action]:
        peer = trunk.peer
        target = Uri(scheme="sip", host=peer.to.host, port=peer.to.port)
        self._questions = self._questions or Questions(self._stack)
        trunk.asking, sent = self._stack.send(self, None, self._questions.to(target), peer.to, now)
        self._asked[trunk.asking] = trunk
        trunk.ask_at = now + PATIENCE
        return sent

    def _good(self, trunk: _Trunk, now: float) -> list[Action]:
        trunk.asking, trunk.heard = None, True
        trunk.good += 1
        self._ask_again(trunk, now)
        return self._up(trunk, "answers OPTIONS") if trunk.good >= GOOD else []

    def _bad(self, trunk: _Trunk, why: str, now: float) -> list[Action]:
        if trunk.asking is not None:
            self._asked.pop(trunk.asking, None)
        trunk.asking, trunk.good = None, 0
        self._stack.counters["OPTIONS to a trunk failed"] += 1
        out = self._down(trunk, why, now) if trunk.heard else []
        self._ask_again(trunk, now)
        return out

    def _ask_again(self, trunk: _Trunk, now: float) -> None:
        interval = trunk.peer.keep_alive
        if interval is not None:
            trunk.ask_at = now + (interval if trunk.reachable else min(interval, WHILE_DOWN))

    def _down(self, trunk: _Trunk, why: str, now: float) -> list[Action]:
        trunk.good = 0
        trunk.rest_until = None if trunk.heard and trunk.peer.keep_alive is not None else now + REST
        if not trunk.reachable:
            return []
        trunk.reachable = False
        if trunk.asking is None and trunk.ask_at is not None:
            trunk.ask_at = min(trunk.ask_at, now + WHILE_DOWN)
        return [TrunkReachability(trunk=trunk.peer.name, reachable=False, why=why)]

    def _up(self, trunk: _Trunk, why: str) -> list[Action]:
        trunk.rest_until = None
        if trunk.reachable:
            return []
        trunk.reachable = True
        return [TrunkReachability(trunk=trunk.peer.name, reachable=True, why=why)]

    def _rearm(self) -> None:
        self.deadline = min((at for trunk in self._trunks.values() if (at := trunk.next) is not None), default=None)
