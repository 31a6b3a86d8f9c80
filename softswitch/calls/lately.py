"""In which conversation each person talked last: what is asked about it afterwards, by telephone, names none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from softswitch.ids import ConversationId

if TYPE_CHECKING:
    from softswitch.calls.call import Call

__all__ = ["Lately", "Talk", "talk_of"]


@dataclass(frozen=True, slots=True)
class Talk:
    """``people`` are the extensions of those who talked; ``recorded``: there is something to hear."""

    conversation: ConversationId
    people: frozenset[str]
    recorded: bool


def talk_of(call: Call) -> Talk:
    people = (leg.name for leg in (*call.sides, *call.places) if leg.party.startswith("person:"))
    return Talk(call.id, frozenset(people), call.recorded)


class Lately:
    """What is remembered since the switch started: one conversation of each person."""

    def __init__(self) -> None:
        self._talks: dict[str, Talk] = {}

    def remember(self, call: Call) -> None:
        """Two have begun to talk with each other, or are about to part."""
        talk = talk_of(call)
        for extension in talk.people:
            self._talks[extension] = talk

    def last(self, extension: str) -> Talk | None:
        return self._talks.get(extension)
