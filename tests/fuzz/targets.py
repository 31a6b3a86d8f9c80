"""What a fuzzer feeds with bytes: each target takes any bytes, and must neither raise nor differ from its twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from softswitch.media import kernels
from softswitch.media.engine import Codec
from softswitch.media.negotiation import answer
from softswitch.rtp import dtmf, packet, rtcp
from softswitch.rtp.packet import Malformed
from softswitch.sip import sdp
from softswitch.sip.framing import StreamFramer
from softswitch.sip.grammar import ParseError
from softswitch.sip.info import BODIES, key_in
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import parse

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


def sip(data: bytes) -> None:
    found = parse(data)
    if isinstance(found, ParseError):
        if found.reply is not None:
            assert not isinstance(parse(found.reply.encode()), Request), "an answer is read as a question"
    else:
        _read_all(found)
        written = found.encode()
        again = parse(written)
        assert type(again) is type(found), f"what was written is refused: {again}"
        assert again.encode() == written, "what was written is read otherwise"
        if isinstance(found, Request):
            assert isinstance(parse(found.reply(486, to_tag="t").encode()), Response)
    # In two segments, cut where the first byte says: the stream gives the same as in one.
    cut = data[0] if data else 0
    whole, pieces = StreamFramer(), StreamFramer()
    expected = whole.receive(data[1:], 0.0)
    came = pieces.receive(data[1 : 1 + cut], 0.0) + pieces.receive(data[1 + cut :], 0.0)
    messages = [[type(x) for x in some if isinstance(x, Request | Response)] for some in (expected, came)]
    assert messages[0] == messages[1], "where a segment ends decides what is read"
    for framer in (whole, pieces):
        framer.tick(100.0)


def _read_all(message: Request | Response) -> None:
    """Everything that somebody may ask of a message."""
    for name in dir(type(message)):
        if isinstance(getattr(type(message), name), property):
            getattr(message, name)
    message.find_body("application/sdp")


def info(data: bytes) -> None:
    for content_type in BODIES:
        key_in(content_type, data)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "rtp": rtp,
    "rtcp": rtcp_compound,
    "sip": sip,
    "sdp": session_description,
    "info": info,
}
