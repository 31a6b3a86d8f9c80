"""Codecs for the tests of play-out, as its twin wants them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from softswitch.media import kernels

__all__ = ["Pcmu", "Toy"]

PCMU, TOY = 0, -1


class Pcmu:
    number = PCMU
    rate = clock = 8000
    piece = 160
    conceals = recovers = False

    def lasts(self, payload: bytes) -> int:
        return len(payload)

    def decode(self, payload: bytes) -> list[int]:
        decoded: list[int] = np.frombuffer(kernels.decode(0, payload), "<i2").tolist()
        return decoded

    def conceal(self, n: int) -> list[int]:
        raise NotImplementedError

    def pauses(self, payload: bytes) -> bool:
        return False

    def recover(self, following: bytes, n: int) -> list[int]:
        raise NotImplementedError


class Toy:
    """Cannot be cut, conceals and recovers: [steps of 2.5 ms, level, level of what was before].

    Level 200 is the last before a pause.
    """

    number = TOY
    rate, clock, piece = 16_000, 48_000, 0
    conceals = recovers = True

    def lasts(self, payload: bytes) -> int:
        return payload[0] * 120 if len(payload) >= 2 else 0

    def decode(self, payload: bytes) -> list[int]:
        return [] if payload[1] == 255 else [payload[1] * 100 + i % 40 for i in range(payload[0] * 40)]

    def conceal(self, n: int) -> list[int]:
        return [-7] * n

    def pauses(self, payload: bytes) -> bool:
        return payload[1] == 200

    def recover(self, following: bytes, n: int) -> Sequence[int]:
        return [following[2] * 100] * n if len(following) > 2 else []
