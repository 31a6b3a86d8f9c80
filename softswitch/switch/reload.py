"""Which part of a new configuration a running switch may take."""

from __future__ import annotations

from dataclasses import replace

from softswitch.config.settings import Settings
from softswitch.errors import NotPossible

__all__ = ["in_force"]


def in_force(old: Settings, new: Settings) -> Settings:
    """Return the new settings with everything in it that needs a restart (``config.changes.RESTART``) as it was.

    Raises NotPossible when the domain is another: it is the realm of all
    passwords, so that nobody could register who is not known already.
    """
    if new.switch.domain != old.switch.domain:
        raise NotPossible(
            f"switch.domain: {old.switch.domain} -> {new.switch.domain} needs a restart, "
            "and until then nothing else of this configuration can be taken"
        )
    return replace(
        new,
        switch=replace(new.switch, data=old.switch.data, database=old.switch.database),
        sip=replace(new.sip, listen=old.sip.listen),
        rtp=replace(new.rtp, port_low=old.rtp.port_low, port_high=old.rtp.port_high, threads=old.rtp.threads),
        recording=replace(new.recording, folder=old.recording.folder),
        web=old.web,
    )
