"""What really passed over loopback, by the kernel's time stamps: the truth to hold recordings against."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

SO_TIMESTAMPNS = 35
IPV4, UDP = 0x0800, 17
SNAP = 200


CAP_NET_RAW = 13
"""From linux/capability.h."""


def may_capture() -> bool:
    """Whether this process has the capability to capture packets."""
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> CAP_NET_RAW & 1)


class Wire:
    """Notes when each RTP packet of each UDP port was sent; needs the right to capture (CAP_NET_RAW).

    Use as a context manager around the call.
    """

    def __init__(self) -> None:
        # Raises PermissionError where capturing is not allowed.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(IPV4))
        self._socket.bind(("lo", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._packets: dict[int, list[tuple[float, int]]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def began(self, port: int) -> tuple[float, float]:
        """Return between which two seconds the sound from this port began.

        The later is that of its first packet. A busy machine sends packets late and
        never early, so the most punctual one of all, taken back by its RTP timestamp
        to the first, tells when that should have been sent: the earlier.
        """
        packets = self._packets[port]
        at_first, first = packets[0]
        return min(at - (stamp - first) % (1 << 32) / 8000 for at, stamp in packets), at_first

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                packet, extra, _, source = self._socket.recvmsg(SNAP, 64)
            except TimeoutError:
                continue
            if source[2] != socket.PACKET_HOST or len(packet) < 40 or packet[9] != UDP:
                continue
            header = 4 * (packet[0] & 15)
            port = int.from_bytes(packet[header : header + 2], "big")
            rtp = packet[header + 8 :]
            if rtp[0] >> 6 != 2 or rtp[1] & 0x7F > 34:  # RTP of version 2 with a static payload type
                continue
            for level, kind, value in extra:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("qq", value[:16])
                    stamp = int.from_bytes(rtp[4:8], "big")
                    self._packets.setdefault(port, []).append((seconds + nanoseconds / 1e9, stamp))
