"""The fuzz targets: from seeds, mutated, by Hypothesis always and by atheris where there is one for this Python."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softswitch.rtp.packet import Packet
from softswitch.rtp.rtcp import Block, Report, Sender
from tests.fuzz.targets import TARGETS

BLOCK = Block(7, 3, 5, 70_000, 12, 1, 2)
SEEDS: dict[str, list[bytes]] = {
    "rtp": [bytes(Packet(0, 1, 160, 7, b"\x80" * 20)), bytes(Packet(101, 2, 160, 7, bytes([5, 0x8A, 3, 0x20])))],
    "rtcp": [
        bytes(Report(9, b"0123456789abcdef", Sender(1 << 40, 160, 2, 320), BLOCK)),
        bytes(Report(9, b"0123456789abcdef", bye=True)),
    ],
    "sdp": [
        b"v=0\r\no=- 7 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n"
        b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
        b"v=0\r\no=a 1 1 IN IP6 ::1\r\ns= \r\nt=0 0\r\nm=audio 9 RTP/AVP 96\r\nc=IN IP6 2001:db8::1\r\n"
        b"a=rtpmap:96 opus/48000/2\r\na=inactive\r\nm=video 0 RTP/AVP 31\r\n",
    ],
    "sip": [
        b"INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport\r\n"
        b"Max-Forwards: 70\r\n"
        b'From: "A \\" B" <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: 1@a\r\nCSeq: 1 INVITE\r\n'
        b'Contact: <sip:a@192.0.2.1:5060;transport=tcp>;+sip.instance="<urn:uuid:1>";q=0.5\r\n'
        b"Supported: timer, 100rel\r\n"
        b"Session-Expires: 1800;refresher=uac\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
        b"SIP/2.0 183 In progress\r\nv: SIP/2.0/TLS [2001:db8::1];branch=z9hG4bKa;received=192.0.2.9, SIP/2.0/UDP b\r\n"
        b"f: sip:a@b;tag=1\r\nt: <tel:+4930123;ext=4>;tag=2\r\ni: x\r\nCSeq: 7 PRACK\r\n"
        b"RSeq: 12\r\nRAck: 1 1 INVITE\r\n"
        b'Record-Route: <sip:p;lr>,\r\n <sip:q;lr>\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
        b"l: 0\r\n\r\n",
    ],
    "info": [b"Signal=5\r\nDuration=160\r\n", b"#"],
}


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Any bytes, and seeds with some of their bytes cut out, changed or doubled."""

    def change(seed: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
        for place, length, instead in cuts:
            at = place % (len(seed) + 1)
            seed = seed[:at] + instead + seed[at + length :]
        return seed

    cuts = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 8), st.binary(max_size=8)), max_size=5)
    return st.one_of(st.binary(max_size=200), st.builds(change, st.sampled_from(seeds), cuts))


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_bytes_come_a_target_survives_them(name: str) -> None:
    @settings(max_examples=500, deadline=None)
    @given(mutated(SEEDS[name]))
    def survives(data: bytes) -> None:
        TARGETS[name](data)

    survives()


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed (it is not built for every Python)"
)
@pytest.mark.parametrize("name", TARGETS)
def test_two_seconds_of_guided_fuzzing_find_nothing(name: str, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for i, seed in enumerate(SEEDS[name]):
        (corpus / str(i)).write_bytes(seed)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, "-max_total_time=2", f"-artifact_prefix={tmp_path}/", str(corpus)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-3000:]
