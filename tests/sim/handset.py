"""The half of a virtual telephone that one holds to the ear: session descriptions, packets of sound, digits."""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from tests.sim import audio
from tests.sim.message import Dialog, Message
from tests.sim.network import Address

if TYPE_CHECKING:
    from tests.sim.office import VirtualOffice

PT = {"PCMU": 0, "PCMA": 8, "G722": 9, "G729": 18, "opus": 96}
RTPMAP = {"PCMU": "PCMU/8000", "PCMA": "PCMA/8000", "G722": "G722/8000", "G729": "G729/8000", "opus": "opus/48000/2"}
LOW, HIGH = (697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0, 1633.0)
FMTP = {"G729": "annexb=no", "opus": "useinbandfec=1;stereo=0"}

RTCP = range(192, 224)
"""Packet types of RTCP, in the second octet (RFC 5761 section 4)."""


class Handset:
    """Keeps what is agreed, says its tone and collects what it hears; ``Phone`` sets the plain attributes."""

    office: VirtualOffice
    name: str
    host: str
    rtp: Address
    tone: float | None
    codecs: tuple[str, ...]
    dialog: Dialog | None
    heard: list[np.ndarray]
    digits_heard: list[str]
    wire: list[tuple[int, int, int]]
    packets: list[bytes]
    obeys: bool
    event_clock: int
    events: bool

    def set_up_sound(self) -> None:
        self.remote_rtp: Address | None = None
        self.codec = self.codecs[0]
        self.direction = "sendrecv"
        self._remote_direction = "sendrecv"
        self._sdp_version = 0
        self._described: tuple[str, ...] = ()
        self._rtp_seq = 100
        self._rtp_frames = 0
        self._digit: tuple[int, int, int] | None = None
        self._sounding: tuple[tuple[float, float], int] | None = None
        self._digits_seen: set[tuple[int, int]] = set()
        self._next_frame: float | None = None
        self._numbers, self._events = dict(PT), 101
        self._coders: dict[str, audio.Coder] = {}

    @property
    def now(self) -> float:
        return self.office.now

    def press(self, digit: str) -> None:
        """Send one RFC 4733 event of 100 ms from now on."""
        self._digit = ("0123456789*#ABCD".index(digit), 0, self._rtp_frames * self.ticks)

    def sound(self, digit: str) -> None:
        """Let a key of 100 ms sound instead of the tone, from now on."""
        place = "123A456B789C*0#D".index(digit)
        self._sounding = (LOW[place // 4], HIGH[place % 4]), 5

    @property
    def ticks(self) -> int:
        """RTP clock units of a frame."""
        return 960 if self.codec == "opus" else 160

    @property
    def coder(self) -> audio.Coder:
        found = self._coders.get(self.codec)
        if found is None:
            found = self._coders[self.codec] = audio.Coder(self.codec)
        return found

    def hears(self, frequency: float, last: float = 0.5) -> float:
        """Level in dBov of a frequency in the last seconds heard."""
        frames = self.heard[-round(last * 50) :]
        return audio.level_of(np.concatenate(frames), frequency) if frames else -120.0

    def _sdp(self, *, zero: bool = False, codecs: tuple[str, ...] | None = None) -> str:
        self._sdp_version += 1
        names = self._described = codecs or self.codecs
        # An answer keeps the numbers of the offer; an offer has the phone's own.
        numbers, events = (PT, 101) if codecs is None else (self._numbers, self._events)
        formats = " ".join(str(numbers[c]) for c in names)
        lines = [
            "v=0", f"o=- 7 {self._sdp_version} IN IP4 {self.host}", "s=-",
            f"c=IN IP4 {'0.0.0.0' if zero else self.rtp[0]}", "t=0 0",
            f"m=audio {self.rtp[1]} RTP/AVP {formats}{f' {events}' * self.events}",
            *(f"a=rtpmap:{numbers[c]} {RTPMAP[c]}" for c in names),
            *(f"a=fmtp:{numbers[c]} {FMTP[c]}" for c in names if c in FMTP),
            *[f"a=rtpmap:{events} telephone-event/{self.event_clock}", f"a=fmtp:{events} 0-15"] * self.events,
            f"a={self.direction}",
        ]  # fmt: skip
        return "\r\n".join(lines) + "\r\n"

    def _answer_to(self, message: Message) -> str:
        self._take_sdp(message.body)
        mirror = {"sendonly": "recvonly", "recvonly": "sendonly"}
        before, self.direction = self.direction, mirror.get(self._remote_direction, self._remote_direction)
        body = self._sdp(codecs=(self.codec,))
        self.direction = before
        return body

    def _speaks(self, offer: bytes) -> bool:
        """Whether one of the telephone's codecs is in the offer, if there is one."""
        return not offer or any(name in self.codecs for name in _listed(offer.decode()))

    def _take_sdp(self, body: bytes) -> None:
        text = body.decode()
        host = re.search(r"^c=IN IP4 (\S+)", text, re.M)
        media = re.search(r"^m=audio (\d+) RTP/AVP (.*)$", text, re.M)
        direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", text, re.M)
        self._remote_direction = direction.group(1) if direction else "sendrecv"
        if host and media and int(media.group(1)):
            self.remote_rtp = (host.group(1), int(media.group(1)))
            self._numbers = _numbers(text)
            # An answer is to what was described, whatever it would describe by now.
            self.codec = next(name for name in _listed(text) if name in (*self.codecs, *self._described))
            self._events = self._numbers.get(f"telephone-event/{self.event_clock}", 101)

    def _start_media(self) -> None:
        if self.tone is not None and self._next_frame is None:
            self._next_frame = self.now

    def _send_frame(self) -> None:
        if self.remote_rtp is None or self.dialog is None:
            return
        payload_type, payload, timestamp, marker = self._numbers[self.codec], b"", self._rtp_frames * self.ticks, 0
        if self._digit is not None:
            code, count, start = self._digit
            count += 1
            end = 0x80 if count >= 5 else 0
            payload_type, timestamp, marker = self._events, start, 0x80 if count == 1 else 0
            payload = struct.pack("!BBH", code, end | 10, count * self.event_clock // 50)
            self._digit = None if count >= 7 else (code, count, start)
        elif self._sounding is not None:
            frequencies, left = self._sounding
            payload = self.coder.key(frequencies, self._rtp_frames)
            self._sounding = (frequencies, left - 1) if left > 1 else None
        elif self.tone is not None:
            payload = self.coder.encode(self.tone, self._rtp_frames)
        self._rtp_seq += 1
        header = struct.pack(
            "!BBHII",
            0x80,
            marker | payload_type,
            self._rtp_seq & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            zlib.crc32(self.name.encode()),
        )
        self._rtp_frames += 1
        asked = not self.obeys or self._remote_direction in ("sendrecv", "recvonly")
        if self.direction in ("sendrecv", "sendonly") and asked:
            self.office.network.send(self.rtp, self.remote_rtp, header + payload, self.now)

    def _hear(self, data: bytes) -> None:
        if len(data) < 12:
            return
        _, second, seq, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
        if second in RTCP:
            return
        self.packets.append(data)
        payload_type = second & 0x7F
        if payload_type in (101, self._events):
            code, end, _ = struct.unpack("!BBH", data[12:16])
            key = (timestamp, ssrc)
            if end & 0x80 and key not in self._digits_seen:
                self._digits_seen.add(key)
                self.digits_heard.append("0123456789*#ABCD"[code])
            return
        if payload_type in (PT[self.codec], self._numbers[self.codec]):
            self.wire.append((ssrc, seq, timestamp))
            self.heard.append(self.coder.decode(data[12:]))


def _mapped(text: str) -> dict[str, int]:
    """The payload types of a description's rtpmaps, by the names of ``RTPMAP``; telephone-event with its clock."""
    names = {encoding.lower(): name for name, encoding in RTPMAP.items()}
    found = re.findall(r"^a=rtpmap:(\d+) (\S+)", text, re.M)
    return {names.get(encoding.lower(), encoding): int(number) for number, encoding in reversed(found)}


def _numbers(text: str) -> dict[str, int]:
    """The payload types of a description by codec, those that need no rtpmap among them."""
    return {**{name: PT[name] for name in ("PCMU", "PCMA", "G722", "G729")}, **_mapped(text)}


def _listed(text: str) -> list[str]:
    """The codecs of the audio line, in its order."""
    media = re.search(r"^m=audio \d+ RTP/AVP (.*)$", text, re.M)
    numbers = _numbers(text)
    offered = [int(number) for number in media.group(1).split()] if media else []
    return [name for wanted in offered for name, number in numbers.items() if number == wanted]
