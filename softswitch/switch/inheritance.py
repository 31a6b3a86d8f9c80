"""What a process that died left behind, made fit for use: recordings, registrations, dialogs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from softswitch.clock import Clock
from softswitch.events import DeviceReachability, Event, RecordingFailed, RecordingFinished
from softswitch.ids import ConversationId
from softswitch.media import wav
from softswitch.records.recovery import Recovered
from softswitch.sip.bans import Ban
from softswitch.sip.events import Binding, DialogState, Flow, SessionId
from softswitch.sip.parser import ParseError
from softswitch.sip.uri import parse_uri

__all__ = ["Mended", "bans_of", "bindings_of", "dialogs_of", "disconnected", "mend_recordings"]


@dataclass(frozen=True, slots=True)
class Mended:
    """``events`` tell of each file; ``evidence`` is when the last sample of a conversation was written."""

    events: tuple[Event, ...]
    evidence: Mapping[ConversationId, datetime]


def mend_recordings(recovered: Recovered, folder: Path) -> Mended:
    """Repair the headers of the recordings that were being written, and find out until when they were."""
    events: list[Event] = []
    evidence: dict[ConversationId, datetime] = {}
    written: dict[str, datetime] = {}
    for _, name in recovered.recordings:
        for path in (wav.part_path(folder / name), folder / name):
            with suppress(OSError):
                written[name] = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                break
    repaired = {mended.path: mended for mended in wav.repair_all(folder)}
    for conversation, name in recovered.recordings:
        mended = repaired.get(folder / name) or wav.repair(folder / name)
        if name not in written or mended.error is not None:
            events.append(
                RecordingFailed(conversation=conversation, path=name, error=mended.error or "the file is not there")
            )
            continue
        # The repair is not the end of the conversation, should we die before it is told.
        with suppress(OSError):
            instant = written[name].timestamp()
            os.utime(mended.path, (instant, instant))
        evidence[conversation] = written[name]
        events.append(
            RecordingFinished(
                at=written[name], conversation=conversation, path=name, duration=mended.duration, repaired=True
            )
        )
    return Mended(tuple(events), evidence)


def bindings_of(recovered: Recovered, clock: Clock) -> list[Binding]:
    """Return the registrations; those over streams wait for their phones to reconnect."""
    now, civil = clock.now(), clock.utc()
    bindings = []
    for bound in recovered.bindings:
        contact = parse_uri(bound.contact)
        if isinstance(contact, ParseError):
            continue
        waiting = bound.transport != "udp"
        bindings.append(
            Binding(
                person=bound.person,
                contact=contact,
                flow=Flow(
                    "tcp" if waiting else "udp",
                    (bound.local_host, bound.local_port),
                    (bound.remote_host, bound.remote_port),
                ),
                call_id=bound.call_id,
                cseq=bound.cseq,
                registered_at=now - (civil - bound.registered_at).total_seconds(),
                expires_at=now + (bound.expires_at - civil).total_seconds(),
                user_agent=bound.user_agent,
                path=bound.path,
                reachable=not waiting,
                waiting=waiting,
            )
        )
    return bindings


def bans_of(recovered: Recovered, clock: Clock) -> list[Ban]:
    """Return who may not try a password yet: a restart is no amnesty."""
    now, civil = clock.now(), clock.utc()
    return [
        Ban(ban.source, ban.account, now + ban.seconds - (civil - ban.at).total_seconds()) for ban in recovered.bans
    ]


def disconnected(recovered: Recovered, now: datetime) -> list[Event]:
    """Tell of the registrations over streams that the connection died with the process.

    The telephone will notice and open another.
    """
    return [
        DeviceReachability(at=now, person=bound.person, contact=bound.contact, reachable=False, why="disconnected")
        for bound in recovered.bindings
        if bound.transport != "udp"
    ]


def dialogs_of(recovered: Recovered) -> list[DialogState]:
    """Return the dialogs whose peers still believe in them; what another version wrote differently is left out."""
    texts = [text for conversation in recovered.conversations for text in conversation.dialogs.values()]
    texts.extend(recovered.waiting)
    return [state for text in texts if (state := _dialog(text)) is not None]


def _dialog(text: str) -> DialogState | None:
    try:
        state: dict[str, Any] = json.loads(text)
        for name in ("routes", "remote", "local", "vias"):
            state[name] = tuple(state[name])
        return DialogState(**{**state, "session": SessionId(state["session"])})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
