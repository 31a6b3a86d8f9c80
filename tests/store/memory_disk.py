"""A disk in memory that knows what would survive a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["MemoryDisk"]


@dataclass
class Inode:
    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    """Writes since the last sync, in order: offset and bytes."""


class MemoryDisk:
    """Implements ``Files``. The folder's changes survive a cut in order, the writes of a file in any selection."""

    def __init__(self) -> None:
        self.files: dict[Path, Inode] = {}
        self.durable: dict[Path, Inode] = {}
        self.pending: list[tuple[Path, Inode | None]] = []
        self.fds: dict[int, Inode] = {}

    def folder(self, path: Path) -> None:
        pass

    def names(self, path: Path) -> list[str]:
        return [each.name for each in self.files]

    def read(self, path: Path, offset: int = 0, size: int = -1) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        content = bytes(self.files[path].content[offset:])
        return content if size < 0 else content[:size]

    def open(self, path: Path) -> int:
        if path not in self.files:
            self.files[path] = Inode()
            self.pending.append((path, self.files[path]))
        fd = max(self.fds, default=2) + 1
        self.fds[fd] = self.files[path]
        return fd

    def allocate(self, fd: int, size: int) -> None:
        inode = self.fds[fd]
        if size > len(inode.content):
            self.write(fd, bytes(size - len(inode.content)), len(inode.content))

    def write(self, fd: int, piece: bytes, offset: int) -> int:
        inode = self.fds[fd]
        _write(inode.content, piece, offset)
        inode.pending.append((offset, piece))
        return len(piece)

    def sync(self, fd: int) -> None:
        inode = self.fds[fd]
        inode.durable, inode.pending = bytes(inode.content), []

    def sync_folder(self, path: Path) -> None:
        self.durable, self.pending = dict(self.files), []

    def close(self, fd: int) -> None:
        del self.fds[fd]

    def rename(self, old: Path, new: Path) -> None:
        self.files[new] = self.files.pop(old)
        self.pending += [(new, self.files[new]), (old, None)]

    def remove(self, path: Path) -> None:
        if self.files.pop(path, None) is not None:
            self.pending.append((path, None))

    def lock(self, fd: int) -> bool:
        return True

    def after_power_cut(self, below: Callable[[int], int]) -> MemoryDisk:
        """Return a disk as it may be found; ``below(n)`` chooses one of ``n`` possibilities."""
        after = MemoryDisk()
        names = dict(self.durable)
        for path, inode in self.pending[: below(len(self.pending) + 1)]:
            if inode is None:
                names.pop(path, None)
            else:
                names[path] = inode
        for path, inode in names.items():
            content = bytearray(inode.durable)
            for offset, piece in inode.pending:
                kept = (0, len(piece), len(piece) // 2)[below(3)]
                _write(content, piece[:kept], offset)
            after.files[path] = Inode(content, bytes(content))
        after.durable = dict(after.files)
        return after


def _write(content: bytearray, piece: bytes, offset: int) -> None:
    if piece and len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(piece)] = piece
