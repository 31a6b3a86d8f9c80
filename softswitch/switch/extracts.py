"""What SIP and the calls are told of the settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from softswitch import __version__
from softswitch.calls.office import Office
from softswitch.config import Settings
from softswitch.media.engine import File
from softswitch.media.tones import tones_of
from softswitch.sip.events import Destination, Flow
from softswitch.sip.settings import SipSettings, TrunkPeer
from softswitch.switch.ground import speakable

__all__ = ["office_of", "sip_settings_of"]


def sip_settings_of(settings: Settings, advertised: Callable[[Flow | Destination], tuple[str, int]]) -> SipSettings:
    """``advertised`` as in ``SipSettings``."""
    public = (settings.sip.public,) if settings.sip.public else ()
    return SipSettings(
        domain=settings.switch.domain,
        server=f"Softswitch/{__version__}",
        hosts=frozenset((*(item.host for item in settings.sip.listen), *public)),
        advertised=advertised,
        algorithms=settings.sip.digest,
        min_expires=round(settings.sip.expires_min),
        max_expires=round(settings.sip.expires),
        default_expires=round(settings.sip.expires),
        max_contacts=settings.sip.contacts,
        session_expires=round(settings.sip.session_expires),
        keepalive_interval=settings.sip.keep_alive,
        trunks=tuple(
            TrunkPeer(name=one.name, to=Destination(one.transport, one.host, one.port), keep_alive=one.keep_alive)
            for one in settings.plan.trunks.values()
        ),
    )


def office_of(settings: Settings, music: Path) -> Office:
    """``music`` is played where the office has none of its own."""
    return Office(
        domain=settings.switch.domain,
        directory=settings.directory,
        plan=settings.plan,
        codecs=speakable(settings.rtp.codecs),
        recordings=settings.recording.folder,
        whisper_track=settings.recording.whisper_track,
        record_all=settings.recording.what == "all",
        media_timeout=settings.rtp.timeout,
        music=File(settings.switch.music or music, loop=True, play=settings.switch.music_play),
        tones=tones_of(settings.switch.country),
        language=settings.switch.language,
        codes=settings.codes,
        keys=settings.keys,
    )
