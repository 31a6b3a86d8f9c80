"""What is told of one supervision: who, whom, in which way and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from softswitch import events as facts
from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg, LegState
from softswitch.calls.modes import Mode
from softswitch.events import Event
from softswitch.ids import ConversationId, LegId

if TYPE_CHECKING:
    from softswitch.calls.call import Call

__all__ = ["Chronicle", "Wish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for. ``follow``: stay with the employee from one conversation to the next.

    ``via`` as in ``SupervisionStarted``; ``supervisor`` is "" until one of those asked for help answers.
    ``conversation``: in which of the employee's, None where he talks now.
    """

    supervisor: str
    employee: str
    mode: Mode
    via: str
    follow: bool = False
    conversation: ConversationId | None = None

    @property
    def helps(self) -> bool:
        return self.mode is Mode.PROMPT


class Chronicle:
    """``wish`` is what is being done now, ``call`` where; ``leg`` is the telephone that answered."""

    def __init__(self, desk: Desk, wish: Wish, now: float) -> None:
        self.wish = wish
        self.call: Call | None = None
        self.leg: Leg | None = None
        self._desk = desk
        self._asked_at = now
        self._started_at: float | None = None
        self._waiting: dict[LegId, str] = {}

    # The supervision -------------------------------------------------------------------------------------------------

    def _tell_start(self, now: float, why: str) -> None:
        assert self.leg is not None
        wish, leg = self.wish, self.leg.id
        if wish.helps:
            waited = round(now - self._asked_at, 3)
            self._publish(facts.HelpStarted(leg=leg, colleague=wish.supervisor, employee=wish.employee, waited=waited))
            return
        self._publish(
            facts.SupervisionStarted(
                leg=leg, supervisor=wish.supervisor, employee=wish.employee, mode=str(wish.mode), via=wish.via, why=why
            )
        )

    def _tell_change(self, leg: Leg, before: Mode, why: str) -> None:
        wish = self.wish
        self._publish(
            facts.SupervisionChanged(
                leg=leg.id,
                supervisor=wish.supervisor,
                employee=wish.employee,
                mode=str(wish.mode),
                before=str(before),
                why=why,
            )
        )

    def _tell_failure(self, reason: str) -> None:
        if self.wish.helps:
            self._publish(facts.HelpRefused(employee=self.wish.employee, reason=reason))
        else:
            self._refuse(reason)

    def _refuse(self, reason: str, action: str | None = None) -> None:
        self._publish(
            facts.SupervisionRefused(
                supervisor=self.wish.supervisor,
                employee=self.wish.employee,
                action=action or str(self.wish.mode),
                reason=reason,
            )
        )

    def _tell_end(self, cause: str, now: float) -> None:
        if self._started_at is None or self.leg is None:
            return
        duration = round(now - self._started_at, 3)
        wish, leg = self.wish, self.leg.id
        if wish.helps:
            self._publish(
                facts.HelpEnded(
                    leg=leg, colleague=wish.supervisor, employee=wish.employee, cause=cause, duration=duration
                )
            )
            return
        self._publish(
            facts.SupervisionEnded(
                leg=leg,
                supervisor=wish.supervisor,
                employee=wish.employee,
                mode=str(wish.mode),
                cause=cause,
                duration=duration,
            )
        )

    # Its legs --------------------------------------------------------------------------------------------------------

    def _tell_of_leg(self, leg: Leg, target: str, call_id: str | None = None) -> None:
        self._tell(
            leg,
            facts.LegOffered(
                leg=leg.id,
                party=leg.party,
                target=target,
                call_id=self._desk.call_id(leg.session) if call_id is None else call_id,
                purpose="prompt" if self.wish.helps else "supervise",
            ),
        )
        self._tell_dialog(leg)

    def _tell_answer(self, leg: Leg) -> None:
        self._tell(leg, facts.LegAnswered(leg=leg.id, codec=str(leg.codec or "")))
        self._tell_dialog(leg)

    def _tell_dialog(self, leg: Leg) -> None:
        """Tell what a new process would need to release the telephone, wherever it is."""
        if self.call is not None and self._stands(leg, self.call):
            self.call.legs.publish_dialog(leg)
        else:
            self._tell_waiting(leg, self._desk.dialog(leg.session))

    def _tell_waiting(self, leg: Leg, state: str | None) -> None:
        if state is not None and state != self._waiting.get(leg.id, ""):
            self._waiting[leg.id] = state
            self._desk.publish(facts.WaitingDialog(leg=leg.id, state=state))

    def _tell_leg_end(self, leg: Leg, cause: str, status: int, *, remote: bool) -> None:
        self._tell(leg, facts.LegEnded(leg=leg.id, cause=cause, status=status, remote=remote))
        self._tell_waiting(leg, "")
        leg.state = LegState.ENDED
        if leg.media is not None:
            leg.media.close()

    def _tell(self, leg: Leg, event: Event) -> None:
        """Tell of a leg as a part of the conversation; what happens to one in the lobby is nobody's story."""
        if self.call is not None and self._stands(leg, self.call):
            self.call.publish(event)

    def _stands(self, leg: Leg, call: Call) -> bool:
        """Whether a leg of ours has an open port in the conversation's room."""
        return leg.state is not LegState.ENDED and leg.media is not None and call.legs.of_port(leg.port) is leg

    def _publish(self, event: Event) -> None:
        if self.call is not None:
            self.call.publish(event)
        else:
            self._desk.publish(event)
