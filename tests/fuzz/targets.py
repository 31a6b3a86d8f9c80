"""What a fuzzer feeds with bytes: each target takes any bytes, and must neither raise nor differ from its twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from softswitch.media import kernels
from softswitch.media.engine import Codec
from softswitch.media.negotiation import answer
from softswitch.rtp import dtmf, packet, rtcp
from softswitch.rtp.packet import Malformed
from softswitch.sip import sdp
from softswitch.sip.info import BODIES, key_in

__all__ = ["TARGETS"]


def rtp(data: bytes) -> None:
    found, kernel = packet.parse(data), kernels.parse(data)
    if isinstance(found, Malformed):
        assert kernel is None, "the kernel takes a packet that its twin refuses"
        return
    assert kernel is not None, "the kernel refuses a packet that its twin takes"
    assert kernel[:5] == (found.payload_type, found.sequence, found.timestamp, found.ssrc, found.payload)
    event = dtmf.parse(found.payload)
    assert (event is None) == (kernels.parse_event(found.payload) is None)


def rtcp_compound(data: bytes) -> None:
    ours = int.from_bytes(data[12:16].ljust(4, b"\0"), "big")
    found, kernel = rtcp.parse(data, ours), kernels.parse_reports(data, ours)
    assert isinstance(found, Malformed) == (kernel is None)
    if not isinstance(found, Malformed):
        assert kernel is not None
        assert (kernel[0], kernel[1], kernel[3]) == (found.ssrc, found.middle_ntp, found.bye)
        if found.block is not None:
            rtcp.round_trip(found.block.last_report, found.block)


def session_description(data: bytes) -> None:
    found = sdp.parse(data)
    if isinstance(found, sdp.SdpError):
        return
    written = bytes(found)
    assert sdp.parse(written) == found, "what was written is read otherwise"
    answer(found, ("192.0.2.1", 20000), (Codec.PCMA, Codec.PCMU), session_id=1, version=1)


def info(data: bytes) -> None:
    for content_type in BODIES:
        key_in(content_type, data)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "rtp": rtp,
    "rtcp": rtcp_compound,
    "sdp": session_description,
    "info": info,
}
