"""The configuration as one immutable snapshot: a call keeps the one it began with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from softswitch.dialplan.codes import KEYS, Codes
from softswitch.dialplan.routes import Plan
from softswitch.directory.people import Directory
from softswitch.media.engine import Codec, File, Tone
from softswitch.media.tones import CallTones, tones_of

__all__ = ["MediaAddress", "Office"]

MediaAddress = Callable[[str], tuple[str, str]]
"""From a peer's address to (address to bind, address to write into SDP): they differ behind a NAT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """``record_all``: record each answered conversation unless a person says otherwise.

    ``whisper_track``: recordings have a third channel, for what supervisors and prompters say.
    ``media_timeout``: seconds without a packet after which a call is ended.
    ``music``: what a held party hears. ``language`` is that of displays.
    ``codes`` are what people dial to supervise, ``keys`` what they press while they do.
    ``tones``: ringing, busy and the like, as the country is used to them.
    """

    domain: str
    directory: Directory
    plan: Plan
    codecs: tuple[Codec, ...]
    recordings: Path
    record_all: bool = True
    whisper_track: bool = False
    media_timeout: float = 60.0
    music: File | Tone = Tone((300.0,), level=-24.0)
    language: Literal["en", "ru"] = "en"
    codes: Codes = Codes()
    keys: Mapping[str, str] = field(default_factory=lambda: KEYS)
    tones: CallTones = tones_of("")
