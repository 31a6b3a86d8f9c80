"""Recordings as downloads: opened below the recordings folder without following links, whole or by range.

Ranges as in RFC 9110 section 14: one range is served, for several at once the
whole file is, which section 14.2 allows.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import numpy as np
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from softswitch.api.http.problems import problem
from softswitch.errors import NoSuch
from softswitch.media.wav import HEADER, STEREO, Form, form_of, header

__all__ = ["BehindTheEnd", "download", "open_below", "range_of"]

CHUNK = 64 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


async def download(folder: Path, name: str, headers: Mapping[str, str], *, whisper: bool = True) -> Response:
    """Return the file ``name`` below ``folder`` as an answer to a request with these headers. Raises NoSuch.

    Without ``whisper`` it is as if it had no track of what supervisors and prompters said.
    """
    descriptor = await asyncio.to_thread(open_below, folder, name)
    size = 0
    try:
        status = os.fstat(descriptor)
        file = _File(descriptor, status.st_size) if whisper else await asyncio.to_thread(_discreet, descriptor)
        size = file.size
        tag = f'"{size:x}-{status.st_mtime_ns:x}"'
        wanted = headers.get("range") if headers.get("if-range") in (None, tag) else None
        part = range_of(wanted, size)
    except BehindTheEnd:
        os.close(descriptor)
        return problem(416, headers={"Content-Range": f"bytes */{size}"})
    except BaseException:
        os.close(descriptor)
        raise
    first, last = part or (0, size - 1)
    told = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(last - first + 1),
        "Content-Disposition": f'attachment; filename="{Path(name).name}"',
        "ETag": tag,
    }
    if part is not None:
        told["Content-Range"] = f"bytes {first}-{last}/{size}"
    return _Download(file, first, last, 200 if part is None else 206, told)


class _File:
    """An open file as it is; ``read`` returns at most so many bytes, none at its end."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor, self.size = descriptor, size

    def read(self, length: int, at: int) -> bytes:
        return os.pread(self.descriptor, length, at)


class _WithoutWhisper(_File):
    """A recording of three channels as if it had two."""

    def __init__(self, descriptor: int, form: Form, size: int) -> None:
        self._head = header(size // form.frame * STEREO.frame, Form(2, form.rate))
        self._form = form
        super().__init__(descriptor, HEADER + size // form.frame * STEREO.frame)

    def read(self, length: int, at: int) -> bytes:
        if at < HEADER:
            return self._head[at : at + length]
        begin, skip = divmod(at - HEADER, STEREO.frame)
        frames = (skip + length + STEREO.frame - 1) // STEREO.frame
        found = os.pread(self.descriptor, frames * self._form.frame, HEADER + begin * self._form.frame)
        whole = len(found) // self._form.frame * self._form.frame
        samples = np.frombuffer(found[:whole], "<i2").reshape(-1, self._form.channels)
        return samples[:, :2].tobytes()[skip : skip + length]


def _discreet(descriptor: int) -> _File:
    """Return an open recording without its third channel, if it has one."""
    size = os.fstat(descriptor).st_size
    form = form_of(os.pread(descriptor, HEADER, 0))
    if form is None or form.channels == STEREO.channels or size < HEADER:
        return _File(descriptor, size)
    return _WithoutWhisper(descriptor, form, size - HEADER)


def open_below(folder: Path, name: str) -> int:
    """Return a descriptor of a regular file below ``folder``, reached without any link. Raises NoSuch."""
    parts = name.split("/")
    if not all(part not in ("", ".", "..") and "\0" not in part for part in parts):
        raise NoSuch("recording", name)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    opened: list[int] = []
    try:
        opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for part in parts[:-1]:
            opened.append(os.open(part, flags | os.O_DIRECTORY, dir_fd=opened[-1]))
        # A FIFO in its place must not hold up the thread.
        descriptor = os.open(parts[-1], flags | os.O_NONBLOCK, dir_fd=opened[-1])
    except OSError:
        raise NoSuch("recording", name) from None
    finally:
        for one in opened:
            os.close(one)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoSuch("recording", name)
    return descriptor


class BehindTheEnd(ValueError):
    """The range begins behind the end of the file (HTTP 416)."""


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte wanted, both included; None for the whole file.

    A header that is not understood is ignored (RFC 9110 section 14.2). Raises BehindTheEnd.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        if not length:
            raise BehindTheEnd
        return size - length, size - 1
    first = int(found[1])
    if found[2] and int(found[2]) < first:
        return None
    if first >= size:
        raise BehindTheEnd
    return first, min(int(found[2]), size - 1) if found[2] else size - 1


class _Download(StreamingResponse):
    """Streams a part of an open file, which it closes whatever becomes of the answer."""

    def __init__(self, file: _File, first: int, last: int, status: int, headers: Mapping[str, str]) -> None:
        self._file = file
        super().__init__(self._read(first, last), status_code=status, headers=headers, media_type="audio/wav")

    async def _read(self, first: int, last: int) -> AsyncIterator[bytes]:
        while first <= last:
            part = await asyncio.to_thread(self._file.read, min(CHUNK, last - first + 1), first)
            if not part:
                return  # cut off meanwhile: the answer ends short, which its Content-Length shows
            first += len(part)
            yield part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._file.descriptor)
