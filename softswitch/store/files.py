"""The few things that the spool asks of the operating system, in one place so that a test can refuse any of them.

All raise OSError and nothing else.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Protocol

__all__ = ["DiskFiles", "Files"]

_PRIVATE = 0o600  # a journal names who called whom


class Files(Protocol):
    def folder(self, path: Path) -> None:
        """Make the folder and its parents if they are missing."""
        ...

    def names(self, path: Path) -> list[str]: ...

    def read(self, path: Path, offset: int = 0, size: int = -1) -> bytes:
        """Return up to ``size`` bytes from ``offset`` on, fewer only at the end of the file; -1 is all."""
        ...

    def open(self, path: Path) -> int:
        """Open for reading and writing, made if missing, readable by its owner only."""
        ...

    def allocate(self, fd: int, size: int) -> None:
        """Give the file ``size`` bytes of zeros that are its own: writing into them cannot fail for lack of space."""
        ...

    def write(self, fd: int, piece: bytes, offset: int) -> int:
        """Write at ``offset``; returns how many bytes went out, which may be fewer."""
        ...

    def sync(self, fd: int) -> None: ...

    def sync_folder(self, path: Path) -> None: ...

    def close(self, fd: int) -> None: ...

    def rename(self, old: Path, new: Path) -> None: ...

    def remove(self, path: Path) -> None: ...

    def lock(self, fd: int) -> bool:
        """Take the file for this process until it is closed or the process dies; False if another has it."""
        ...


class DiskFiles:
    """The real ones."""

    def folder(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def names(self, path: Path) -> list[str]:
        return os.listdir(path)

    def read(self, path: Path, offset: int = 0, size: int = -1) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)

    def allocate(self, fd: int, size: int) -> None:
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            # Some file systems cannot reserve (NFSv3; musl does not emulate it). A sparse file still works there,
            # only without the promise about a full disk.
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            os.ftruncate(fd, size)

    def write(self, fd: int, piece: bytes, offset: int) -> int:
        return os.pwrite(fd, piece, offset)

    def sync(self, fd: int) -> None:
        os.fdatasync(fd)

    def sync_folder(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        os.rename(old, new)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def lock(self, fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
