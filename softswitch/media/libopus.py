"""Where the Opus codec is found: the functions of libopus, by address, for ``ext/opus.h``.

The ``av`` wheel carries libopus; so may a frozen program, or the system. The
addresses stay good as long as the process lives, because the library is never
unloaded. Without a library Opus is neither offered nor accepted, and calls that
need it are made in other codecs.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["FUNCTIONS", "Library", "Missing", "find", "load"]

FUNCTIONS = (
    "opus_encoder_get_size",
    "opus_encoder_init",
    "opus_encode",
    "opus_encoder_ctl",
    "opus_decoder_get_size",
    "opus_decoder_init",
    "opus_decode",
    "opus_decoder_ctl",
    "opus_packet_has_lbrr",
)
"""In the order of ``opus_library`` in ``ext/opus.h``."""

OPTIONAL = frozenset({"opus_packet_has_lbrr"})
"""Came with libopus 1.4; without it every packet is asked for its recovery data."""

NAMES = ("libopus-*.so*", "libopus.so*", "libopus*.dylib", "libopus*.dll", "opus*.dll")


@dataclass(frozen=True, slots=True)
class Library:
    """A loaded libopus. ``addresses`` are those of ``FUNCTIONS``, 0 for an optional one that it lacks."""

    path: str
    version: str
    addresses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """No library could be used; ``reason`` names what was tried."""

    reason: str


@cache
def find() -> Library | Missing:
    """Look in the ``av`` wheel, in a frozen program, and in the system; the first that can be used wins."""
    tried = []
    for path in _candidates():
        found = load(path)
        if isinstance(found, Library):
            return found
        tried.append(found.reason)
    return Missing("; ".join(tried) or "no libopus in the av wheel, and none in the system")


def load(path: str) -> Library | Missing:
    """Load one library file."""
    try:
        library = ctypes.CDLL(path)
        version = library.opus_get_version_string
        functions = [getattr(library, name, None) for name in FUNCTIONS]
    except (OSError, AttributeError) as error:
        return Missing(f"{path}: {error}")
    lacking = [n for n, function in zip(FUNCTIONS, functions, strict=True) if function is None and n not in OPTIONAL]
    if lacking:
        return Missing(f"{path}: has no {', '.join(lacking)}")
    version.restype = ctypes.c_char_p
    addresses = tuple(
        0 if function is None else ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions
    )
    return Library(path, (version() or b"").decode("ascii", "replace"), addresses)


def _candidates() -> Iterator[str]:
    for folder in _folders():
        for name in NAMES:
            yield from sorted(map(str, folder.glob(name)))
    system = ctypes.util.find_library("opus")
    if system is not None:
        yield system


def _folders() -> Iterator[Path]:
    """Where wheels keep their libraries: beside the package on Linux and Windows, inside it on macOS."""
    frozen = getattr(sys, "_MEIPASS", None)
    if frozen is not None:
        yield from (Path(frozen) / "av.libs", Path(frozen))
    found = importlib.util.find_spec("av")
    if found is not None and found.origin is not None:
        package = Path(found.origin).parent
        yield from (package.with_name("av.libs"), package / ".dylibs")
