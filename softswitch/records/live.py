"""What is going on now: running conversations and registered devices, folded in memory as events pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from softswitch.events import (
    CallArrived,
    ConversationEnded,
    DeviceBound,
    DeviceReachability,
    DeviceUnbound,
    Event,
)
from softswitch.ids import ConversationId
from softswitch.records.cdr import ConversationFold

__all__ = ["Device", "Live", "apply_device"]


@dataclass(frozen=True, slots=True)
class Device:
    """A registered contact as its last ``DeviceBound`` says; ``reachable`` False when it does not answer."""

    bound: DeviceBound
    reachable: bool = True


class Live:
    """The present of one switch: give it to ``Bus.listen`` as ``live.apply``."""

    def __init__(self) -> None:
        self.conversations: dict[ConversationId, ConversationFold] = {}
        """Those that have not ended, in order of arrival."""
        self.devices: dict[tuple[str, str], Device] = {}
        """By person and contact, in order of registration."""

    def apply(self, event: Event) -> None:
        match event:
            case DeviceBound() | DeviceUnbound() | DeviceReachability():
                apply_device(self.devices, event)
            case ConversationEnded():
                if event.conversation is not None:
                    self.conversations.pop(event.conversation, None)
            case _ if event.conversation is not None:
                fold = self.conversations.get(event.conversation)
                if fold is None:
                    # Only an arrival begins a conversation: a recording may be finished after the end.
                    if not isinstance(event, CallArrived):
                        return
                    fold = self.conversations[event.conversation] = ConversationFold(event)
                fold.apply(event)

    def of_person(self, person: str, now: datetime) -> list[Device]:
        return [
            device
            for device in self.devices.values()
            if device.bound.person == person and device.bound.expires_at > now
        ]


def apply_device(
    devices: dict[tuple[str, str], Device], event: DeviceBound | DeviceUnbound | DeviceReachability
) -> None:
    """Fold one event of a device; whoever registers again is reachable until found not to be."""
    key = (event.person, event.contact)
    match event:
        case DeviceBound():
            devices[key] = Device(event)
        case DeviceUnbound():
            devices.pop(key, None)
        case DeviceReachability():
            if key in devices:
                devices[key] = replace(devices[key], reachable=event.reachable)
