"""Supervision as the API asks for it: ``calls.control`` does it, the shell carries it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from softswitch.api.http import exchange
from softswitch.api.http.exchange import SupervisionRow
from softswitch.calls.modes import Mode
from softswitch.calls.supervision import Supervision, Wish
from softswitch.errors import NoSuch, NotPossible
from softswitch.ids import ConversationId
from softswitch.sip.events import PutOnWire

if TYPE_CHECKING:
    from softswitch.switch.switch import Switch

__all__ = ["SwitchSupervision"]

TAKE_OVER = "take over"


class SwitchSupervision:
    """Implements ``api.http.exchange.Supervision`` for one switch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    @property
    def supervisions(self) -> Sequence[SupervisionRow]:
        return [_row(one) for one in self._switch.control.supervisions]

    def supervise(
        self,
        by: str,
        mode: exchange.Mode,
        *,
        person: str,
        follow: bool,
        park: bool = False,
        conversation: ConversationId | None = None,
    ) -> SupervisionRow:
        control = self._switch.control
        if mode == TAKE_OVER:
            return self._take_over(by, person, park=park)
        wish = Wish(
            supervisor=by, employee=person, mode=Mode(mode), via="api", follow=follow, conversation=conversation
        )
        self._do(lambda now: control.supervise(wish, now))
        return self._of(by, person)

    def change(self, supervision: str, mode: exchange.Mode, *, park: bool = False) -> SupervisionRow:
        row = self._find(supervision)
        if row["mode"] == "prompt":
            raise NotPossible("help that was asked for has no other mode")
        return self.supervise(row["by"], mode, person=row["person"], follow=row["follow"], park=park)

    def end(self, supervision: str) -> None:
        row, control = self._find(supervision), self._switch.control
        if row["mode"] == "prompt":
            self._do(lambda now: control.end_help(row["person"], now))
        else:
            self._do(lambda now: control.stop_supervising(row["by"], now))

    def invite_prompter(self, person: str, to: str, conversation: ConversationId | None = None) -> SupervisionRow:
        whom = to.removeprefix("person:")
        self._do(lambda now: self._switch.control.ask_help(person, whom, "api", now, conversation))
        return next(row for row in self.supervisions if row["person"] == person and row["mode"] == "prompt")

    # -----------------------------------------------------------------------------------------------------------------

    def _take_over(self, by: str, person: str, *, park: bool) -> SupervisionRow:
        """Return the supervision, which has ended if nobody is parked: its supervisor talks."""
        before = [row for row in self.supervisions if (row["by"], row["person"]) == (by, person)]
        self._do(lambda now: self._switch.control.take_over(by, person, now, park=park))
        return {**before[0], "mode": "take over"}

    def _do(self, work: Callable[[float], list[PutOnWire]]) -> None:
        self._switch.shell.carry_out(work(self._switch.clock.now()))

    def _of(self, by: str, person: str) -> SupervisionRow:
        found = [row for row in self.supervisions if (row["by"], row["person"]) == (by, person)]
        if not found:
            raise NotPossible(f"{person} cannot be supervised now")
        return found[-1]

    def _find(self, supervision: str) -> SupervisionRow:
        found = next((row for row in self.supervisions if row["id"] == supervision), None)
        if found is None:
            raise NoSuch("supervision", supervision)
        return found


def _row(supervision: Supervision) -> SupervisionRow:
    wish, call = supervision.wish, supervision.call
    return SupervisionRow(
        id=supervision.id,
        by=wish.supervisor,
        mode=wish.mode.value,
        person=wish.employee,
        conversation=None if call is None else call.id,
        follow=wish.follow,
        active=supervision.leg is not None and call is not None,
    )
