"""The ways to take part in somebody's conversation: what each is called, who may, and what it is in the mix."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from softswitch.directory.permissions import Action
from softswitch.mixer.roles import Role
from softswitch.sip.sdp import Direction

__all__ = ["ACTIONS", "BESIDE", "Mode", "direction_of", "role_of"]


class Mode(StrEnum):
    """The words are those of events and commands.

    PROMPT is a colleague whom the employee asked for help. TAKE_OVER is a supervisor who talks in the employee's place
    while the employee is parked; one who has released him supervises no longer.
    """

    LISTEN = "listen"
    WHISPER = "whisper"
    WHISPER_TO_CUSTOMER = "whisper to customer"
    BARGE = "barge"
    PROMPT = "prompt"
    TAKE_OVER = "take over"


BESIDE = (Mode.LISTEN, Mode.WHISPER, Mode.WHISPER_TO_CUSTOMER, Mode.BARGE)
"""The modes in which a supervisor stands beside the two who talk."""


ACTIONS: Mapping[Mode, Action] = {
    Mode.LISTEN: Action.LISTEN,
    Mode.WHISPER: Action.WHISPER,
    Mode.WHISPER_TO_CUSTOMER: Action.WHISPER_TO_CUSTOMER,
    Mode.BARGE: Action.BARGE,
    Mode.PROMPT: Action.INVITE_PROMPTER,
    Mode.TAKE_OVER: Action.TAKE_OVER,
}


def direction_of(mode: Mode) -> Direction:
    """Return what we write into SDP: who listens is asked to send nothing."""
    return Direction.SENDONLY if mode is Mode.LISTEN else Direction.SENDRECV


def role_of(mode: Mode, employee: Role) -> Role:
    """Return the role in the mix; between colleagues the employee may be on the customer's side."""
    match mode:
        case Mode.LISTEN:
            return Role.LISTENER
        case Mode.BARGE:
            return Role.BARGER
        case Mode.WHISPER | Mode.PROMPT:
            return Role.PROMPTER if employee is Role.AGENT else Role.ADVISER
        case Mode.WHISPER_TO_CUSTOMER:
            return Role.ADVISER if employee is Role.AGENT else Role.PROMPTER
        case Mode.TAKE_OVER:
            return employee
