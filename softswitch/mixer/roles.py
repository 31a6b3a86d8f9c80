"""Who hears whom: roles make the rows of the gain matrix, and nothing else does.

A supervisor's mode is a role; changing it is one command that sets other rows
and touches nobody's signalling. The tables are appendix A1 of the mission.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from enum import StrEnum
from typing import TypeVar

__all__ = ["HEARS", "Role", "rows"]

Member = TypeVar("Member", bound=Hashable)


class Role(StrEnum):
    """What a party is to the conversation; one's own voice is never returned."""

    CUSTOMER = "customer"
    AGENT = "agent"
    LISTENER = "listener"
    PROMPTER = "prompter"
    BARGER = "barger"


HEARS: Mapping[Role, frozenset[Role]] = {
    Role.CUSTOMER: frozenset({Role.CUSTOMER, Role.AGENT, Role.BARGER}),
    Role.AGENT: frozenset({Role.CUSTOMER, Role.AGENT, Role.PROMPTER, Role.BARGER}),
    Role.LISTENER: frozenset({Role.CUSTOMER, Role.AGENT, Role.BARGER}),
    Role.PROMPTER: frozenset({Role.CUSTOMER, Role.AGENT, Role.BARGER}),
    Role.BARGER: frozenset({Role.CUSTOMER, Role.AGENT, Role.BARGER}),
}


def rows(members: Mapping[Member, Role]) -> dict[Member, dict[Member, float]]:
    """Return each member's row: the others whom its role hears, at unity gain."""
    return {
        listener: {
            source: 1.0 for source, role in members.items() if source != listener and role in HEARS[members[listener]]
        }
        for listener in members
    }
