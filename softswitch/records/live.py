"""What is going on now: running conversations and registered devices, folded in memory as events pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, cast

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

_OfDevice: TypeAlias = DeviceBound | DeviceUnbound | DeviceReachability
_OF_DEVICES = frozenset({DeviceBound, DeviceUnbound, DeviceReachability})


@dataclass(frozen=True, slots=True)
class Device:
    """A registered contact as its last ``DeviceBound`` says; ``reachable`` False when it does not answer."""

    bound: DeviceBound
    reachable: bool = True


class Live:
    """The present of one switch: give it to ``Bus.listen`` as ``live.apply``."""

    def __init__(self) -> None:
        self._folds: dict[ConversationId, ConversationFold] = {}
        self._unread: dict[ConversationId, list[Event]] = {}
        self.devices: dict[tuple[str, str], Device] = {}
        """By person and contact, in order of registration."""

    @property
    def conversations(self) -> dict[ConversationId, ConversationFold]:
        """Those that have not ended, in order of arrival."""
        # Folded when somebody looks: most conversations end before anybody has.
        for name, events in self._unread.items():
            fold = self._folds.get(name)
            if fold is None:
                fold = self._folds[name] = ConversationFold(events[0])
            for event in events:
                fold.apply(event)
            events.clear()
        return {name: self._folds[name] for name in self._unread}

    def apply(self, event: Event) -> None:
        kind = type(event)
        if kind in _OF_DEVICES:
            apply_device(self.devices, cast(_OfDevice, event))
        elif kind is ConversationEnded:
            if event.conversation is not None:
                self._unread.pop(event.conversation, None)
                self._folds.pop(event.conversation, None)
        elif event.conversation is not None:
            unread = self._unread.get(event.conversation)
            if unread is not None:
                unread.append(event)
            elif kind is CallArrived:
                # Only an arrival begins a conversation: a recording may be finished after the end.
                self._unread[event.conversation] = [event]

    def of_person(self, person: str, now: datetime) -> list[Device]:
        return [
            device
            for device in self.devices.values()
            if device.bound.person == person and device.bound.expires_at > now
        ]


def apply_device(devices: dict[tuple[str, str], Device], event: _OfDevice) -> None:
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
