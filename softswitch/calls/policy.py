"""What a supervision asks of the office around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from softswitch.calls.chronicle import Wish
from softswitch.directory.people import Person
from softswitch.sip.events import Binding

if TYPE_CHECKING:
    from softswitch.calls.call import Call
    from softswitch.calls.supervision import Supervision

__all__ = ["Policy"]


class Policy(Protocol):
    """Who may do what, asked anew at each step; ``Supervisors`` implements it."""

    def objection(self, wish: Wish, action: str, call: Call | None) -> str | None:
        """Return why the supervisor may not do this, None if he may."""
        ...

    def grounds(self, wish: Wish, action: str, call: Call | None) -> str:
        """Return why he may, in the words of ``permissions.Reason``."""
        ...

    def next_call(self, supervision: Supervision) -> tuple[Call, str] | None:
        """Return another conversation that the supervisor may listen to, and the employee in it."""
        ...

    def devices_of(self, person: Person) -> Sequence[Binding]:
        """Return where somebody can be rung now."""
        ...

    def free(self, person: Person) -> bool:
        """Whether somebody is neither in a call nor supervises one."""
        ...

    def helps(self, colleague: str, now: float) -> None:
        """Somebody who was asked for help gives it from now on."""
        ...
