"""Who hears whom: roles make the rows of the gain matrix, and nothing else does.

A supervisor's mode is a role; changing it is one command that sets other rows
and touches nobody's signalling. The tables are appendix A1 of the mission:

                       customer hears  agent hears   supervisor hears  third track
    listener           A               C             C + A             -
    prompter           A               C + S         C + A             S
    adviser            A + S           C             C + A             S
    barger             A + S           C + S         C + A             S
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from enum import StrEnum
from typing import Literal, TypeVar

__all__ = ["HEARS", "SIDES", "TRACKS", "Role", "music", "rows"]

Member = TypeVar("Member", bound=Hashable)


class Role(StrEnum):
    """What a party is to the conversation; one's own voice is never returned.

    A prompter speaks to the agent alone, an adviser to the customer alone, a barger to both.
    """

    CUSTOMER = "customer"
    AGENT = "agent"
    LISTENER = "listener"
    PROMPTER = "prompter"
    ADVISER = "adviser"
    BARGER = "barger"


HEARS: Mapping[Role, frozenset[Role]] = {
    Role.CUSTOMER: frozenset({Role.CUSTOMER, Role.AGENT, Role.ADVISER, Role.BARGER}),
    Role.AGENT: frozenset({Role.CUSTOMER, Role.AGENT, Role.PROMPTER, Role.BARGER}),
    Role.LISTENER: frozenset({Role.CUSTOMER, Role.AGENT, Role.BARGER}),
    Role.PROMPTER: frozenset({Role.CUSTOMER, Role.AGENT, Role.BARGER}),
    Role.ADVISER: frozenset({Role.CUSTOMER, Role.AGENT, Role.BARGER}),
    Role.BARGER: frozenset({Role.CUSTOMER, Role.AGENT, Role.BARGER}),
}

SIDES = frozenset({Role.CUSTOMER, Role.AGENT})
"""The roles of the two who talk with each other; a conversation between colleagues has a customer too."""

TRACKS: Mapping[Role, Literal["left", "right", "whisper"]] = {
    Role.CUSTOMER: "left",
    Role.AGENT: "right",
    Role.PROMPTER: "whisper",
    Role.ADVISER: "whisper",
    Role.BARGER: "whisper",
}
"""On which track of the recording a role is: what it says itself, never what it hears."""


def rows(
    members: Mapping[Member, Role], *, holding: Collection[Member] = (), waiting: Collection[Member] = ()
) -> dict[Member, dict[Member, float]]:
    """Return each member's row: the others whom its role hears, at unity gain.

    ``holding`` are sides whose telephones hold the call, ``waiting`` sides that the
    switch put on hold. Neither is heard; the two sides are parted while there is
    one. Who holds hears nothing of the other side, who waits hears nobody.
    """
    apart = {*holding, *waiting}
    return {
        listener: {
            source: 1.0
            for source, role in members.items()
            if source != listener
            and role in HEARS[members[listener]]
            and source not in apart
            and listener not in waiting
            and not (listener in apart and role in SIDES)
        }
        for listener in members
    }


def music(
    members: Mapping[Member, Role], *, holding: Collection[Member] = (), waiting: Collection[Member] = ()
) -> list[Member]:
    """Return who hears music: who waits, and whose other side holds while he does not."""
    return [
        side
        for side, role in members.items()
        if role in SIDES
        and (side in waiting or (side not in holding and any(other in holding for other in members if other != side)))
    ]
