"""What a dead process left open, and the events that close it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from softswitch.events import AccountBanned, ConversationEnded, DeviceBound, DeviceUnbound, Event, LegEnded
from softswitch.ids import ConversationId, LegId
from softswitch.records.cdr import Cdr, ConversationFold

__all__ = ["DIED", "OpenConversation", "Recovered", "closing_events", "open_conversation"]

DIED = "switch died"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConversation:
    """A conversation that arrived and has no end in the journal."""

    cdr: Cdr
    dialogs: Mapping[LegId, str]
    """The last dialog state (``LegDialog``) of each leg that lived: to whom a BYE must be sent, and how."""
    legs: tuple[LegId, ...]
    """The legs that lived."""
    last_at: datetime

    @property
    def conversation(self) -> ConversationId:
        return self.cdr.conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The state at the last event of the journal.

    ``complete`` False: the database could not be read, and this is what the spool
    alone knows (at least the last 25,000 events or so).
    """

    conversations: tuple[OpenConversation, ...] = ()
    bindings: tuple[DeviceBound, ...] = ()
    """Registrations that are still valid."""
    expired: tuple[DeviceBound, ...] = ()
    """Registrations that ran out while nobody watched."""
    bans: tuple[AccountBanned, ...] = ()
    """Bans that are still in force, the oldest first."""
    waiting: tuple[str, ...] = ()
    """The ``WaitingDialog`` states of telephones that belonged to no conversation."""
    recordings: tuple[tuple[ConversationId, str], ...] = ()
    """Files that were being written, relative to the recordings folder."""
    last_seq: int = 0
    alive_at: datetime | None = None
    """When the process was last known to be alive; None in a new journal."""
    orderly: bool = True
    """Whether the last event was ``SwitchStopped``."""
    complete: bool = True


def open_conversation(fold: ConversationFold) -> OpenConversation:
    return OpenConversation(
        cdr=fold.cdr(),
        dialogs=MappingProxyType(dict(fold.dialogs)),
        legs=tuple(fold.open_legs),
        last_at=fold.now,
    )


def closing_events(
    recovered: Recovered, now: datetime, evidence: Mapping[ConversationId, datetime] | None = None
) -> list[Event]:
    """Return the events to publish so that nothing stays open, each with the time at which it really ended.

    A conversation ended when the process was last known to be alive, or later if
    ``evidence`` (the time of its recording's last block, say) is later, but never
    after ``now``. Dying again in the midst is no harm: what is closed is not
    closed twice.
    """
    events: list[Event] = []
    for conversation in recovered.conversations:
        known = [conversation.last_at, recovered.alive_at, (evidence or {}).get(conversation.conversation)]
        end = min(max(at for at in known if at is not None), now)
        for leg in conversation.legs:
            events.append(
                LegEnded(conversation=conversation.conversation, at=end, leg=leg, cause=DIED, status=0, remote=False)
            )
        answered = conversation.cdr.answered_at is not None
        events.append(
            ConversationEnded(
                conversation=conversation.conversation,
                at=end,
                result="answered" if answered else "switch died",
                cause=DIED,
            )
        )
    for bound in recovered.expired:
        at = min(bound.expires_at, now)
        events.append(DeviceUnbound(at=at, person=bound.person, contact=bound.contact, why="expired"))
    return events
