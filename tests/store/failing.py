"""Disks that fail on purpose."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from softswitch.store.files import DiskFiles

__all__ = ["FailsAt", "FullDisk", "NoSync"]


class FailsAt(DiskFiles):
    """Refuses the ``nth`` call that touches the disk, counted from 1, and ``times - 1`` calls after it."""

    def __init__(self, nth: int, times: int = 1, code: int = errno.EIO) -> None:
        self.nth, self.times, self.code = nth, times, code
        self.calls = 0
        self.failed: list[str] = []

    def _touch(self, name: str) -> None:
        self.calls += 1
        if self.nth <= self.calls < self.nth + self.times:
            self.failed.append(name)
            raise OSError(self.code, os.strerror(self.code))

    def folder(self, path: Path) -> None:
        self._touch("folder")
        super().folder(path)

    def names(self, path: Path) -> list[str]:
        self._touch("names")
        return super().names(path)

    def read(self, path: Path, offset: int = 0, size: int = -1) -> bytes:
        self._touch("read")
        return super().read(path, offset, size)

    def open(self, path: Path) -> int:
        self._touch("open")
        return super().open(path)

    def allocate(self, fd: int, size: int) -> None:
        self._touch("allocate")
        super().allocate(fd, size)

    def write(self, fd: int, piece: bytes, offset: int) -> int:
        try:
            self._touch("write")
        except OSError:
            super().write(fd, piece[: len(piece) // 2], offset)  # a disk fails in the middle of things
            raise
        return super().write(fd, piece, offset)

    def sync(self, fd: int) -> None:
        self._touch("sync")
        super().sync(fd)

    def sync_folder(self, path: Path) -> None:
        self._touch("sync_folder")
        super().sync_folder(path)

    def rename(self, old: Path, new: Path) -> None:
        self._touch("rename")
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._touch("remove")
        super().remove(path)


class FullDisk(DiskFiles):
    """Has space for ``files`` more allocated files and writes at most ``piece`` bytes at a time."""

    def __init__(self, files: int = 0, piece: int = 1 << 20) -> None:
        self.files, self.piece = files, piece

    def allocate(self, fd: int, size: int) -> None:
        if self.files <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.files -= 1
        super().allocate(fd, size)

    def write(self, fd: int, piece: bytes, offset: int) -> int:
        return super().write(fd, piece[: self.piece], offset)


class NoSync(DiskFiles):
    """Waits for no disk, for tests that open a thousand spools and cut no power."""

    def sync(self, fd: int) -> None:
        pass

    def sync_folder(self, path: Path) -> None:
        pass
