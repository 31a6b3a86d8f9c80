"""The ways to take part in somebody's conversation: what each is called, who may, and what it is in the mix."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from softswitch.directory.permissions import Action
from softswitch.mixer.roles import Role
from softswitch.sip.sdp import Direction

__all__ = ["ACTIONS", "Mode", "direction_of", "role_of"]


class Mode(StrEnum):
    """The words are those of events and commands. PROMPT is a colleague whom the employee asked for help."""

    LISTEN = "listen"
    WHISPER = "whisper"
    WHISPER_TO_CUSTOMER = "whisper to customer"
    BARGE = "barge"
    PROMPT = "prompt"


ACTIONS: Mapping[Mode, Action] = {
    Mode.LISTEN: Action.LISTEN,
    Mode.WHISPER: Action.WHISPER,
    Mode.WHISPER_TO_CUSTOMER: Action.WHISPER_TO_CUSTOMER,
    Mode.BARGE: Action.BARGE,
    Mode.PROMPT: Action.INVITE_PROMPTER,
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
