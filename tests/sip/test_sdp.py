"""Session descriptions: what is read, what is refused, and that writing loses nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.sdp import (
    MAX_LINE,
    MAX_LINES,
    MAX_MEDIA,
    Attribute,
    Connection,
    Direction,
    Encoding,
    Media,
    Origin,
    SdpError,
    SessionDescription,
    following,
    parse,
)

# A collection of recorded messages that lies beside the repository where it exists.
SAMPLES = Path(__file__).parents[3] / "shared" / "data"

PHONE = b"""v=0\r
o=- 4192078245 876324804 IN IP4 192.0.2.2\r
s=-\r
c=IN IP4 192.0.2.2\r
t=0 0\r
a=tool:phone 1.0\r
m=audio 38530 RTP/AVP 96 8 101\r
a=rtpmap:96 opus/48000/2\r
a=fmtp:96 stereo=1;sprop-stereo=1\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-15\r
a=sendonly\r
a=ptime:20\r
"""


def read(text: str | bytes) -> SessionDescription:
    parsed = parse(text if isinstance(text, bytes) else text.encode())
    assert isinstance(parsed, SessionDescription), str(parsed)
    return parsed


def refused(text: str | bytes) -> SdpError:
    parsed = parse(text if isinstance(text, bytes) else text.encode())
    assert isinstance(parsed, SdpError)
    return parsed


def audio(lines: str, session: str = "") -> Media:
    return read(f"v=0\no=- 1 1 IN IP4 192.0.2.1\n{session}m=audio 4000 RTP/AVP 0\n{lines}").media[0]


class TestReading:
    def test_a_phones_offer_is_read_whole(self) -> None:
        home = Connection("IP4", "192.0.2.2")
        assert read(PHONE) == SessionDescription(
            origin=Origin(username="-", session_id="4192078245", version="876324804", connection=home),
            connection=home,
            attributes=(Attribute("tool", "phone 1.0"),),
            media=(
                Media(
                    kind="audio",
                    port=38530,
                    protocol="RTP/AVP",
                    formats=("96", "8", "101"),
                    attributes=(
                        Attribute("rtpmap", "96 opus/48000/2"),
                        Attribute("fmtp", "96 stereo=1;sprop-stereo=1"),
                        Attribute("rtpmap", "8 PCMA/8000"),
                        Attribute("rtpmap", "101 telephone-event/8000"),
                        Attribute("fmtp", "101 0-15"),
                        Attribute("sendonly"),
                        Attribute("ptime", "20"),
                    ),
                ),
            ),
        )

    def test_lines_may_end_with_lf_alone(self) -> None:
        assert read(PHONE.replace(b"\r\n", b"\n")) == read(PHONE)

    def test_blank_lines_and_stray_spaces_are_forgiven(self) -> None:
        sloppy = PHONE.replace(b"\r\n", b" \r\n\r\n").replace(b"RTP/AVP 96", b" RTP/AVP  96")
        assert read(sloppy) == read(PHONE)

    def test_the_last_line_may_lack_its_end(self) -> None:
        assert read(PHONE.removesuffix(b"\r\n")) == read(PHONE)

    def test_name_and_time_may_be_missing(self) -> None:
        assert read(PHONE.replace(b"s=-\r\n", b"").replace(b"t=0 0\r\n", b"")) == read(PHONE)

    def test_lines_that_no_call_needs_are_dropped(self) -> None:
        extra = b"t=0 0\r\ni=about\r\nu=http://x\r\ne=a@b\r\np=1\r\nb=AS:64\r\nz=0\r\nk=clear:x\r\nr=1 2\r\nX=?\r\n"
        assert read(PHONE.replace(b"t=0 0\r\n", extra)) == read(PHONE)

    def test_a_media_connection_wins_over_the_sessions(self) -> None:
        session = read("v=0\no=- 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\nm=audio 4 RTP/AVP 0\nc=IN IP6 2001:db8::1\n")
        assert session.connection_of(session.media[0]) == Connection("IP6", "2001:db8::1")

    def test_the_session_connection_holds_for_lines_without_one(self) -> None:
        session = read(PHONE)
        assert session.connection_of(session.media[0]) == Connection("IP4", "192.0.2.2")

    def test_a_ttl_stays_part_of_a_multicast_address(self) -> None:
        assert read("v=0\no=- 1 1 IN IP4 h\nc=IN IP4 224.2.1.1/127\n").connection == Connection("IP4", "224.2.1.1/127")

    def test_words_after_the_connection_address_are_ignored(self) -> None:
        # kamailio/sg.sip of the samples: "c=IN IP4 137.132.31.151 UNHOLD U".
        assert read("v=0\no=- 1 1 IN IP4 h\nc=IN IP4 192.0.2.1 UNHOLD U\n").connection == Connection("IP4", "192.0.2.1")

    @pytest.mark.parametrize("address", ["0.0.0.0", "::"])
    def test_the_unspecified_address_is_hold(self, address: str) -> None:
        assert Connection.to(address).on_hold

    def test_the_number_of_ports_of_a_layered_stream_is_kept(self) -> None:
        assert read("v=0\no=- 1 1 IN IP4 h\nm=video 49170/2 RTP/AVP 31\n").media[0].port_count == 2

    def test_text_that_is_not_utf_8_comes_back_as_the_same_bytes(self) -> None:
        latin = PHONE.replace(b"s=-", b"s=B\xfcro")
        assert b"s=B\xfcro\r\n" in bytes(read(latin))

    def test_an_origin_with_a_negative_version_is_read(self) -> None:
        assert read("v=0\no=- -7 -1 IN IP4 h\n").origin.version == "-1"


class TestAttributes:
    def test_a_media_direction_wins_over_the_sessions(self) -> None:
        session = read("v=0\no=- 1 1 IN IP4 h\na=inactive\nm=audio 4 RTP/AVP 0\na=recvonly\nm=audio 6 RTP/AVP 0\n")
        assert [session.direction_of(media) for media in session.media] == [Direction.RECVONLY, Direction.INACTIVE]

    def test_no_direction_means_both(self) -> None:
        session = read("v=0\no=- 1 1 IN IP4 h\nm=audio 4 RTP/AVP 0\n")
        assert session.direction_of(session.media[0]) is Direction.SENDRECV

    def test_a_direction_with_a_value_is_none(self) -> None:
        assert audio("a=sendonly:yes\n").direction is None

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
    )
    def test_each_direction_has_its_mirror(self, ours: str, theirs: str) -> None:
        assert Direction(ours).mirrored == theirs

    def test_a_direction_is_limited_to_what_both_allow(self) -> None:
        assert Direction.SENDONLY.limited_to(Direction.RECVONLY) is Direction.INACTIVE

    def test_rtpmaps_name_the_encodings(self) -> None:
        lines = "a=rtpmap:96 opus/48000/2\na=rtpmap:0 PCMU/8000\n"
        assert audio(lines).encodings == {"96": Encoding("opus", 48000, 2), "0": Encoding("PCMU", 8000)}

    @pytest.mark.parametrize("text", ["", "0", "0 ", "0 PCMU", "0 PCMU/", "0 PCMU/8k", "0 /8000", "0 PCMU/8000/x"])
    def test_an_unreadable_rtpmap_is_none(self, text: str) -> None:
        assert audio(f"a=rtpmap:{text}\n").encodings == {}

    def test_the_first_of_two_rtpmaps_counts(self) -> None:
        assert audio("a=rtpmap:0 PCMU/8000\na=rtpmap:0 PCMA/8000\n").encodings["0"].name == "PCMU"

    def test_parameters_belong_to_their_format(self) -> None:
        media = audio("a=fmtp:9 x\na=fmtp:101 0-15\n")
        assert (media.parameters("101"), media.parameters("8")) == ("0-15", None)

    @pytest.mark.parametrize(("text", "ptime"), [("20", 20), ("", None), ("20.5", None), ("-20", None), ("٢٠", None)])
    def test_ptime_is_a_plain_number(self, text: str, ptime: int | None) -> None:
        assert audio(f"a=ptime:{text}\n").ptime == ptime

    def test_rtcp_may_name_a_port_alone(self) -> None:
        assert audio("a=rtcp:53020\n").rtcp == (53020, None)

    def test_rtcp_may_name_an_address(self) -> None:
        assert audio("a=rtcp:53020 IN IP6 2001:db8::2\n").rtcp == (53020, Connection("IP6", "2001:db8::2"))

    @pytest.mark.parametrize("line", ["", "a=rtcp\n", "a=rtcp:x\n", "a=rtcp:70000\n"])
    def test_an_unreadable_rtcp_is_none(self, line: str) -> None:
        assert audio(line).rtcp is None

    def test_rtcp_mux_is_seen(self) -> None:
        assert audio("a=rtcp-mux\n").rtcp_mux
        assert not audio("").rtcp_mux


class TestRefusing:
    @pytest.mark.parametrize(
        ("body", "line", "reason"),
        [
            ("", 1, "no o= line"),
            ("o=- 1 1 IN IP4 h\n", 1, "expected v=0"),
            ("v=1\n", 1, "expected v=0"),
            ("a=x\nv=0\n", 1, "expected v=0"),
            ("v=0\nv=0\n", 2, "a second v= line"),
            ("v=0\no=- 1 IN IP4 h\n", 2, "expected user, session, version"),
            ("v=0\no=- 1 1 IN IP5 h\n", 2, "expected user, session, version"),
            ("v=0\nc=IN IP4\n", 2, "expected IN, IP4 or IP6, and an address"),
            ("v=0\nc=TN RFC2543 +1\n", 2, "expected IN, IP4 or IP6, and an address"),
            ("v=0\nm=audio 4000\n", 2, "expected kind, port, protocol and formats"),
            ("v=0\nm=audio 65536 RTP/AVP 0\n", 2, "'65536' is not a port"),
            ("v=0\nm=audio -1 RTP/AVP 0\n", 2, "'-1' is not a port"),
            ("v=0\nm=audio 4000/0 RTP/AVP 0\n", 2, "'4000/0' is not a port"),
            ("v=0\nm=audio 4000/ RTP/AVP 0\n", 2, "'4000/' is not a port"),
            ("v=0\r\n\r\nm =video 1 RTP/AVP 0\n", 3, "is not a letter with ="),
            ("v=0\ns=a\0b\n", 2, "a NUL or a bare CR"),
            ("v=0\rs=x\n", 1, "a NUL or a bare CR"),
        ],
    )
    def test_a_broken_line_is_named(self, body: str, line: int, reason: str) -> None:
        error = refused(body)
        assert (error.line, error.status) == (line, 400)
        assert reason in error.reason

    def test_more_than_64_streams_are_refused(self) -> None:
        start = "v=0\no=- 1 1 IN IP4 h\n"
        assert len(read(start + "m=audio 4 RTP/AVP 0\n" * MAX_MEDIA).media) == 64
        assert "more than 64" in refused(start + "m=audio 4 RTP/AVP 0\n" * (MAX_MEDIA + 1)).reason

    def test_a_line_of_more_than_4096_characters_is_refused(self) -> None:
        start = "v=0\no=- 1 1 IN IP4 h\na="
        assert isinstance(parse((start + "x" * (MAX_LINE - 2)).encode()), SessionDescription)
        assert refused(start + "x" * (MAX_LINE - 1)).line == 3

    def test_more_than_2000_lines_are_refused(self) -> None:
        assert refused("v=0\n" + "a=x\n" * MAX_LINES).line == MAX_LINES + 1

    def test_more_than_a_datagram_is_refused(self) -> None:
        assert "65536 bytes" in refused(b"v" * 65_536).reason

    @pytest.mark.parametrize(
        "body",
        [
            b"v=0\no=- 1 1 IN IP4 h\n" + b"a=candidate:1 1 UDP 1 h 1 typ host\n" * 1800,
            b"v=0\no=- 1 1 IN IP4 h\nm=audio 1 RTP/AVP" + b" 0" * 2000 + b"\n" + b"a=rtpmap:0 PCMU/8000\n" * 1900,
            (b"=" * 4000 + b"\n") * 16,
            b"v=0\n" + b" " * 65_000,
            b"v=0\no=- 1 1 IN IP4 h\na=" + b":" * 4000,
            b"\n" * 65_000,
            bytes(65_000),
        ],
        ids=["candidates", "formats", "equals", "spaces", "colons", "line ends", "NULs"],
    )
    def test_the_worst_datagram_takes_little_time(self, body: bytes) -> None:
        def once() -> float:
            started = time.perf_counter()
            parsed = parse(body)
            if isinstance(parsed, SessionDescription):
                _ = [media.encodings for media in parsed.media]
            return time.perf_counter() - started

        assert min(once() for _ in range(5)) < 0.02


class TestWriting:
    def test_a_description_is_written_in_the_order_of_the_rfc(self) -> None:
        session = SessionDescription(
            origin=Origin(session_id="1", version="2", connection=Connection.to("192.0.2.1")),
            connection=Connection.to("2001:db8::1"),
            attributes=(Attribute("x", "1"),),
            media=(
                Media(
                    kind="audio",
                    port=4000,
                    protocol="RTP/AVP",
                    formats=("8", "0"),
                    connection=Connection.to("192.0.2.9"),
                    attributes=(Attribute("sendonly"), Attribute("empty", "")),
                ),
                Media(kind="video", port=0, protocol="RTP/AVP", formats=("31",), port_count=2),
            ),
        )
        assert str(session).split("\r\n") == [
            "v=0",
            "o=- 1 2 IN IP4 192.0.2.1",
            "s=-",
            "c=IN IP6 2001:db8::1",
            "t=0 0",
            "a=x:1",
            "m=audio 4000 RTP/AVP 8 0",
            "c=IN IP4 192.0.2.9",
            "a=sendonly",
            "a=empty:",
            "m=video 0/2 RTP/AVP 31",
            "",
        ]

    @pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
    def test_a_value_cannot_smuggle_a_line(self, end: str) -> None:
        session = replace(read(PHONE), name=f"x{end}a=evil")
        with pytest.raises(AssertionError, match="line end"):
            bytes(session)

    def test_an_unchanged_successor_keeps_its_version(self) -> None:
        # RFC 3264 section 8: the version must not change if nothing else does.
        before = read(PHONE)
        again = replace(before, origin=Origin(session_id="9", version="9", connection=before.origin.connection))
        assert following(before, again) == before

    def test_a_changed_successor_has_the_next_version(self) -> None:
        before = read(PHONE)
        after = following(before, replace(before, media=()))
        assert (after.origin.session_id, after.origin.version) == ("4192078245", "876324805")


def words(alphabet: str = "azAZ09-_./+;,#") -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=1, max_size=12)


TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
CONNECTIONS = st.builds(Connection, st.sampled_from(["IP4", "IP6"]), words("0123456789abcdef:./"))
ATTRIBUTES = st.lists(
    st.builds(Attribute, words(), st.none() | st.just("") | TEXT | st.sampled_from(["0 PCMU/8000", "20", "a: b"])),
    max_size=5,
).map(tuple)
DESCRIPTIONS = st.builds(
    SessionDescription,
    origin=st.builds(Origin, username=words(), session_id=words(), version=words(), connection=CONNECTIONS),
    name=TEXT,
    connection=st.none() | CONNECTIONS,
    attributes=ATTRIBUTES,
    media=st.lists(
        st.builds(
            Media,
            kind=words(),
            port=st.integers(0, 65_535),
            protocol=words(),
            formats=st.lists(words(), max_size=5).map(tuple),
            port_count=st.integers(1, 9),
            connection=st.none() | CONNECTIONS,
            attributes=ATTRIBUTES,
        ),
        max_size=4,
    ).map(tuple),
)

FRAGMENTS = b"""v=0|o=- 1 1 IN IP4 192.0.2.1|s=|c=IN IP4 0.0.0.0|t=0 0|m=audio 1 RTP/AVP 0|a=rtcp:9|\xff=|=||
a=rtpmap:0 PCMU/8000|a=sendonly|m=|a=|c=IN IP6 ::|a=fmtp:101 0-15"""
LINES = st.sampled_from(FRAGMENTS.split(b"|"))
BODIES = st.binary(max_size=300) | st.lists(LINES | st.binary(max_size=20), max_size=30).map(
    lambda lines: b"v=0\r\no=- 1 1 IN IP4 h\r\n" + b"\r\n".join(lines)
)


@given(DESCRIPTIONS)
def test_what_is_written_is_read_back(session: SessionDescription) -> None:
    assert parse(bytes(session)) == session


@given(BODIES)
def test_nothing_raises_and_what_was_read_is_stable(body: bytes) -> None:
    parsed = parse(body)
    if isinstance(parsed, SessionDescription):
        assert parse(bytes(parsed)) == parsed
        for media in parsed.media:
            _ = (media.encodings, media.direction, media.ptime, media.maxptime, media.rtcp, media.rtcp_mux)
    else:
        assert parsed.line >= 1
        assert parsed.reason


@given(st.data())
def test_a_phones_offer_with_some_bytes_changed_never_raises(data: st.DataObject) -> None:
    body = bytearray(PHONE)
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=8)):
        body[place] = data.draw(st.integers(0, 255))
    parse(bytes(body))


@given(st.integers(0, len(PHONE)))
def test_a_phones_offer_cut_anywhere_never_raises(length: int) -> None:
    parse(PHONE[:length])


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of recorded messages is not here")
class TestRecordedMessages:
    def bodies(self) -> dict[str, bytes]:
        found = {}
        for path in sorted(SAMPLES.glob("sip-*/**/*")):
            content = path.read_bytes() if path.is_file() and path.suffix not in (".md", ".toml") else b""
            start = content.find(b"v=0")
            if start >= 0:
                found[path.name] = content[start:]
        return found

    def test_all_descriptions_but_the_broken_ones_are_read(self) -> None:
        bodies = self.bodies()
        assert len(bodies) > 40
        # dblreq.dat has a second request and test.dat a line "testing=123" behind their descriptions.
        broken = {name for name, body in bodies.items() if isinstance(parse(body), SdpError)}
        assert broken == {"dblreq.dat", "test.dat"}

    def test_all_come_back_when_written(self) -> None:
        for body in self.bodies().values():
            parsed = parse(body)
            if isinstance(parsed, SessionDescription):
                assert parse(bytes(parsed)) == parsed

    def test_a_browsers_offer_keeps_its_encodings(self) -> None:
        media = read((SAMPLES / "sip-samples/local/chromium-156-audio-offer.sdp").read_bytes()).media[0]
        assert media.encodings["111"] == Encoding("opus", 48000, 2)
        assert media.encodings["126"] == Encoding("telephone-event", 8000)
