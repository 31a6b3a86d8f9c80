"""Offer and answer: what is agreed, what is declined, and that both sides agree on the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from softswitch.media.engine import Codec, MediaSession
from softswitch.media.formats import OpusSettings
from softswitch.media.negotiation import Refused, accept, answer, offer, reoffer
from softswitch.media.peer import common, direction_of, foreign, held
from softswitch.sip.sdp import Direction, SdpError, SessionDescription, parse

PCMA, PCMU = Codec.PCMA, Codec.PCMU
BOTH = (PCMA, PCMU)
US = ("192.0.2.1", 20_000)
SAMPLES = Path(__file__).parents[3] / "shared" / "data"


def sdp(*lines: str, host: str = "192.0.2.7") -> SessionDescription:
    family = "IP6" if ":" in host else "IP4"
    head = ["v=0", f"o=- 5 6 IN {family} {host}", "s=-", f"c=IN {family} {host}", "t=0 0"]
    parsed = parse("\r\n".join([*head, *lines, ""]).encode())
    assert not isinstance(parsed, SdpError), str(parsed)
    return parsed


def speaking(codec: Codec | None) -> MediaSession | None:
    """The session of another leg in that codec."""
    return None if codec is None else MediaSession(remote=None, codec=codec, payload_type=0)


def answered(
    offered: SessionDescription,
    codecs: tuple[Codec, ...] = BOTH,
    prefer: Codec | None = None,
    direction: Direction = Direction.SENDRECV,
) -> tuple[SessionDescription, MediaSession]:
    result = answer(offered, US, codecs, prefer=speaking(prefer), session_id=1, version=2, direction=direction)
    assert not isinstance(result, Refused), result.reason
    return result


def refusal(offered: SessionDescription, codecs: tuple[Codec, ...] = BOTH) -> Refused:
    result = answer(offered, US, codecs, session_id=1, version=2)
    assert isinstance(result, Refused)
    return result


def agreed(ours: SessionDescription, theirs: SessionDescription) -> MediaSession:
    result = accept(ours, theirs)
    assert isinstance(result, MediaSession), result.reason
    return result


OURS = offer(US, BOTH, session_id=1, version=1)


class TestOffering:
    def test_an_offer_lists_the_codecs_as_configured_and_digits(self) -> None:
        assert str(offer(US, BOTH, session_id=77, version=3)).split("\r\n") == [
            "v=0",
            "o=- 77 3 IN IP4 192.0.2.1",
            "s=-",
            "c=IN IP4 192.0.2.1",
            "t=0 0",
            "m=audio 20000 RTP/AVP 8 0 13 101",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:13 CN/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-15",
            "a=ptime:20",
            "a=sendrecv",
            "",
        ]

    def test_an_ipv6_offer_says_so(self) -> None:
        assert "c=IN IP6 2001:db8::1\r\n" in str(offer(("2001:db8::1", 20_000), BOTH, session_id=1, version=1))

    def test_a_hold_offer_only_sends(self) -> None:
        assert "a=sendonly\r\n" in str(offer(US, BOTH, session_id=1, version=1, direction=Direction.SENDONLY))


class TestOfferingAgain:
    def test_a_changed_offer_has_the_next_version(self) -> None:
        again = reoffer(OURS, US, BOTH, direction=Direction.SENDONLY)
        assert (again.origin.session_id, again.origin.version) == ("1", "2")

    def test_an_unchanged_offer_keeps_its_version(self) -> None:
        assert reoffer(OURS, US, BOTH) == OURS

    def test_declined_lines_keep_their_places(self) -> None:
        offered = sdp("m=video 5000 RTP/AVP 31", "m=audio 4000 RTP/AVP 8", "m=text 6000 RTP/AVP 98")
        ours, _ = answered(offered)
        again = reoffer(ours, ("192.0.2.1", 20_002), BOTH, direction=Direction.SENDONLY)
        assert [(media.kind, media.port) for media in again.media] == [("video", 0), ("audio", 20_002), ("text", 0)]

    def test_the_peers_numbers_keep_their_meaning(self) -> None:
        # RFC 3264 section 8.3.2: a payload type is never mapped to another codec within a session.
        ours, _ = answered(sdp("m=audio 4000 RTP/AVP 0 101", "a=rtpmap:0 PCMA/8000", "a=rtpmap:101 x/90000"))
        again = reoffer(ours, US, BOTH)
        assert again.media[0].formats == ("0", "96", "13", "101")
        assert {form: encoding.name for form, encoding in again.media[0].encodings.items()} == {
            "0": "PCMA",
            "96": "PCMU",
            "13": "CN",
            "101": "telephone-event",
        }

    def test_a_codec_that_is_added_does_not_take_the_number_of_the_digits(self) -> None:
        offered = sdp("m=audio 4000 RTP/AVP 0 96", "a=rtpmap:0 PCMA/8000", "a=rtpmap:96 telephone-event/8000")
        assert reoffer(answered(offered)[0], US, BOTH).media[0].formats == ("0", "97", "13", "96")

    def test_the_number_of_the_digits_stays(self) -> None:
        ours, _ = answered(sdp("m=audio 4000 RTP/AVP 8 97", "a=rtpmap:97 telephone-event/8000"))
        assert reoffer(ours, US, BOTH).media[0].formats == ("8", "0", "13", "97")

    def test_audio_is_added_where_it_was_disabled(self) -> None:
        ours, _ = answered(sdp("m=audio 0 RTP/AVP 8"))
        assert [media.port for media in reoffer(ours, US, BOTH).media] == [0, 20_000]


class TestAnswering:
    def test_one_codec_and_the_digits_are_accepted_under_the_peers_numbers(self) -> None:
        offered = sdp(
            "m=audio 4000 RTP/AVP 9 8 0 96",
            "a=rtpmap:9 G722/8000",
            "a=rtpmap:96 telephone-event/8000",
            "a=fmtp:96 0-16",
        )
        ours, session = answered(offered)
        assert session == MediaSession(
            remote=("192.0.2.7", 4000),
            codec=PCMA,
            payload_type=8,
            dtmf_send=96,
            dtmf_receive=96,
            ptime=20,
            rtcp_remote=("192.0.2.7", 4001),
        )
        assert str(ours).split("\r\n") == [
            "v=0",
            "o=- 1 2 IN IP4 192.0.2.1",
            "s=-",
            "c=IN IP4 192.0.2.1",
            "t=0 0",
            "m=audio 20000 RTP/AVP 8 96",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:96 telephone-event/8000",
            "a=fmtp:96 0-15",
            "a=ptime:20",
            "a=sendrecv",
            "",
        ]

    def test_comfort_noise_is_agreed_beside_a_codec_of_8_khz(self) -> None:
        ours, session = answered(sdp("m=audio 4000 RTP/AVP 8 13"))
        assert (ours.media[0].formats, session.noise) == (("8", "13"), True)
        assert not answered(sdp("m=audio 4000 RTP/AVP 8 97", "a=rtpmap:97 CN/16000"))[1].noise
        assert agreed(OURS, sdp("m=audio 4000 RTP/AVP 8 13")).noise
        assert not agreed(OURS, sdp("m=audio 4000 RTP/AVP 8")).noise

    def test_comfort_noise_is_not_agreed_beside_opus(self) -> None:
        offered = sdp("m=audio 4000 RTP/AVP 96 13", "a=rtpmap:96 opus/48000/2")
        ours, session = answered(offered, codecs=(Codec.OPUS,))
        assert (ours.media[0].formats, session.noise) == (("96",), False)

    def test_the_peers_order_decides(self) -> None:
        assert answered(sdp("m=audio 4000 RTP/AVP 0 8"))[1].codec is PCMU

    def test_the_codec_of_the_other_leg_is_preferred(self) -> None:
        assert answered(sdp("m=audio 4000 RTP/AVP 0 8"), prefer=PCMA)[1].codec is PCMA

    def test_a_preferred_codec_that_is_not_offered_is_not_chosen(self) -> None:
        assert answered(sdp("m=audio 4000 RTP/AVP 0"), prefer=PCMA)[1].codec is PCMU

    def test_a_preferred_codec_that_is_not_configured_is_not_chosen(self) -> None:
        assert answered(sdp("m=audio 4000 RTP/AVP 8 0"), codecs=(PCMU,), prefer=PCMA)[1].codec is PCMU

    def test_a_dynamic_number_of_a_known_codec_is_kept(self) -> None:
        ours, session = answered(sdp("m=audio 4000 RTP/AVP 112", "a=rtpmap:112 pcma/8000/1"))
        assert (session.codec, session.payload_type, ours.media[0].formats) == (PCMA, 112, ("112",))

    def test_a_static_number_means_what_its_rtpmap_says(self) -> None:
        assert answered(sdp("m=audio 4000 RTP/AVP 0 8", "a=rtpmap:0 speex/8000"))[1].payload_type == 8

    def test_wideband_and_stereo_namesakes_are_other_codecs(self) -> None:
        offered = sdp("m=audio 4000 RTP/AVP 96 97", "a=rtpmap:96 PCMU/16000", "a=rtpmap:97 PCMA/8000/2")
        assert refusal(offered).warning == 305

    def test_digits_are_not_agreed_when_not_offered(self) -> None:
        ours, session = answered(sdp("m=audio 4000 RTP/AVP 8"))
        assert (session.dtmf_send, session.dtmf_receive, ours.media[0].formats) == (None, None, ("8",))

    def test_digits_of_another_clock_are_not_ours(self) -> None:
        offered = sdp(
            "m=audio 4000 RTP/AVP 8 110 126",
            "a=rtpmap:110 telephone-event/48000",
            "a=rtpmap:126 telephone-event/8000",
        )
        assert answered(offered)[1].dtmf_send == 126

    def test_every_offered_line_has_its_answer_in_order(self) -> None:
        offered = sdp(
            "m=video 5000 RTP/AVP 31 34",
            "m=audio 4000 RTP/SAVP 8",
            "m=audio 4002 RTP/AVPF 8",
            "m=audio 4004 RTP/AVP 8",
            "m=application 9 UDP/BFCP *",
        )
        ours, session = answered(offered)
        assert [str(media.port) + " " + media.protocol + " " + " ".join(media.formats) for media in ours.media] == [
            "0 RTP/AVP 31",
            "0 RTP/SAVP 8",
            "20000 RTP/AVPF 8",
            "0 RTP/AVP 8",
            "0 UDP/BFCP *",
        ]
        assert session.remote == ("192.0.2.7", 4002)

    def test_a_declined_line_without_formats_gets_one(self) -> None:
        ours, _ = answered(sdp("m=image 5000 udptl", "m=audio 4000 RTP/AVP 8"))
        assert ours.media[0].formats == ("0",)

    def test_rtcp_goes_where_the_peer_says(self) -> None:
        offered = sdp("m=audio 4000 RTP/AVP 8", "a=rtcp:5005 IN IP4 192.0.2.8")
        assert answered(offered)[1].rtcp_remote == ("192.0.2.8", 5005)

    def test_rtcp_of_a_port_alone_goes_to_the_media_address(self) -> None:
        assert answered(sdp("m=audio 4000 RTP/AVP 8", "a=rtcp:5005"))[1].rtcp_remote == ("192.0.2.7", 5005)

    def test_there_is_no_rtcp_beyond_the_last_port(self) -> None:
        assert answered(sdp("m=audio 65535 RTP/AVP 8"))[1].rtcp_remote is None

    def test_rtcp_mux_is_not_accepted(self) -> None:
        ours, session = answered(sdp("m=audio 4000 RTP/AVP 8", "a=rtcp-mux"))
        assert not ours.media[0].rtcp_mux
        assert session.rtcp_remote == ("192.0.2.7", 4001)

    def test_an_ipv6_address_is_written_in_one_way(self) -> None:
        offered = sdp("m=audio 4000 RTP/AVP 8", host="2001:0DB8:0:0:0:0:0:7")
        result = answer(offered, ("2001:db8::1", 20_000), BOTH, session_id=1, version=1)
        assert not isinstance(result, Refused)
        assert result[1].remote == ("2001:db8::7", 4000)

    def test_a_host_name_is_left_to_the_packets(self) -> None:
        session = answered(sdp("m=audio 4000 RTP/AVP 8", host="phone.example"))[1]
        assert (session.remote, session.sends, session.receives) == (None, True, True)

    def test_a_stream_that_the_peer_disabled_is_answered_disabled(self) -> None:
        ours, session = answered(sdp("m=audio 0 RTP/AVP 8"))
        assert ours.media[0].port == 0
        assert (session.remote, session.sends, session.receives) == (None, False, False)

    @pytest.mark.parametrize(
        ("lines", "ptime"),
        [
            ((), 20),
            (("a=ptime:20",), 20),
            (("a=ptime:40",), 40),
            (("a=ptime:60", "a=maxptime:60"), 60),
            (("a=ptime:60", "a=maxptime:40"), 20),
            (("a=ptime:30",), 30),
            (("a=ptime:10",), 10),
            (("a=maxptime:10",), 10),
            (("a=ptime:40", "a=maxptime:30"), 20),
            (("a=ptime:70",), 20),
            (("a=ptime:25",), 20),
            (("a=ptime:x",), 20),
        ],
    )
    def test_we_send_packets_as_long_as_the_peer_wants_if_we_can(self, lines: tuple[str, ...], ptime: int) -> None:
        assert answered(sdp("m=audio 4000 RTP/AVP 8", *lines))[1].ptime == ptime


class TestRefusing:
    @pytest.mark.parametrize(
        ("lines", "warning", "reason"),
        [
            ([], 304, "no audio stream is offered"),
            (["m=video 5000 RTP/AVP 31"], 304, "no video here, audio only"),
            (["m=audio 0 RTP/AVP 8", "m=image 5000 udptl t38"], 304, "the audio stream is disabled"),
            (["m=audio 4000 RTP/SAVP 8"], 302, "transport RTP/SAVP is not RTP/AVP"),
            (["m=audio 4000 UDP/TLS/RTP/SAVPF 8"], 302, "transport UDP/TLS/RTP/SAVPF is not RTP/AVP"),
            (["m=audio 4000 RTP/AVP 9 18"], 305, "no common codec, PCMA PCMU is known here"),
            (["m=audio 4000 RTP/AVP 128 -1 x"], 305, "no common codec, PCMA PCMU is known here"),
            (["m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"], 305, "no common codec"),
            (["m=audio 4000 RTP/AVP 8", "c=IN IP6 2001:db8::7"], 301, "IPv6 address, 192.0.2.1 cannot reach it"),
            (["m=audio 4000 RTP/AVP 8", "c=IN IP4 224.2.1.1"], 301, "multicast is not possible"),
            (["m=audio 4000 RTP/AVP 8", "c=IN IP4 224.2.1.1/127"], 301, "multicast is not possible"),
            (["m=video 1 RTP/AVP 31", "m=audio 4000 RTP/AVP 9"], 305, "no common codec"),
        ],
    )
    def test_an_impossible_offer_is_refused_with_its_reason(self, lines: list[str], warning: int, reason: str) -> None:
        refused = refusal(sdp(*lines))
        assert (refused.status, refused.warning) == (488, warning)
        assert reason in refused.reason

    def test_an_offer_without_any_address_is_refused(self) -> None:
        offered = parse(b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\nm=audio 4000 RTP/AVP 8\r\n")
        assert isinstance(offered, SessionDescription)
        assert refusal(offered).reason == "no connection address"


class TestHolding:
    @pytest.mark.parametrize(
        ("theirs", "ours", "sends", "receives"),
        [
            ("sendrecv", "sendrecv", True, True),
            ("sendonly", "recvonly", False, True),
            ("recvonly", "sendonly", True, False),
            ("inactive", "inactive", False, False),
        ],
    )
    def test_a_direction_is_mirrored(self, theirs: str, ours: str, sends: bool, receives: bool) -> None:
        description, session = answered(sdp("m=audio 4000 RTP/AVP 8", f"a={theirs}"))
        assert description.media[0].direction == ours
        assert (session.sends, session.receives) == (sends, receives)

    def test_the_sessions_direction_holds_for_the_line(self) -> None:
        assert answered(sdp("a=sendonly", "m=audio 4000 RTP/AVP 8"))[0].media[0].direction == "recvonly"

    def test_the_old_hold_by_address_is_answered_recvonly(self) -> None:
        # RFC 3264 section 8.4: 0.0.0.0 means that neither RTP nor RTCP should be sent to the peer.
        description, session = answered(sdp("m=audio 4000 RTP/AVP 8", host="0.0.0.0"))
        assert description.media[0].direction == "recvonly"
        assert (session.remote, session.rtcp_remote, session.sends) == (None, None, False)

    def test_the_old_hold_of_an_inactive_stream_is_answered_inactive(self) -> None:
        offered = sdp("m=audio 4000 RTP/AVP 8", "a=inactive", host="0.0.0.0")
        assert answered(offered)[0].media[0].direction == "inactive"

    def test_we_may_hold_while_answering(self) -> None:
        description, session = answered(sdp("m=audio 4000 RTP/AVP 8"), direction=Direction.SENDONLY)
        assert description.media[0].direction == "sendonly"
        assert (session.sends, session.receives) == (True, False)

    def test_both_holding_is_inactive(self) -> None:
        offered = sdp("m=audio 4000 RTP/AVP 8", "a=sendonly")
        assert answered(offered, direction=Direction.SENDONLY)[0].media[0].direction == "inactive"

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            (["m=audio 4000 RTP/AVP 8"], False),
            (["m=audio 4000 RTP/AVP 8", "a=recvonly"], False),
            (["m=audio 4000 RTP/AVP 8", "a=sendonly"], True),
            (["m=audio 4000 RTP/AVP 8", "a=inactive"], True),
            (["m=audio 4000 RTP/AVP 8", "c=IN IP4 0.0.0.0"], True),
            (["m=audio 4000 RTP/AVP 8", "c=IN IP6 ::"], True),
            (["m=audio 0 RTP/AVP 8"], True),
            (["m=video 5000 RTP/AVP 31", "a=sendonly", "m=audio 4000 RTP/AVP 8"], False),
        ],
    )
    def test_hold_is_recognised(self, lines: list[str], expected: bool) -> None:
        assert held(sdp(*lines)) is expected

    def test_the_direction_of_the_old_hold_is_sendonly(self) -> None:
        assert direction_of(sdp("m=audio 4000 RTP/AVP 8", host="0.0.0.0")) is Direction.SENDONLY


class TestAccepting:
    def test_both_numbers_of_the_digits_are_kept_apart(self) -> None:
        theirs = sdp("m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000")
        assert agreed(OURS, theirs) == MediaSession(
            remote=("192.0.2.7", 4000),
            codec=PCMU,
            payload_type=0,
            dtmf_send=96,
            dtmf_receive=101,
            ptime=20,
            rtcp_remote=("192.0.2.7", 4001),
        )

    def test_the_first_codec_of_the_answer_counts(self) -> None:
        assert agreed(OURS, sdp("m=audio 4000 RTP/AVP 0 8")).codec is PCMU

    def test_a_codec_that_was_not_offered_is_passed_over(self) -> None:
        ours = offer(US, (PCMU,), session_id=1, version=1)
        assert agreed(ours, sdp("m=audio 4000 RTP/AVP 8 0")).codec is PCMU

    def test_an_answer_may_leave_out_the_rtpmap_of_our_numbers(self) -> None:
        assert agreed(OURS, sdp("m=audio 4000 RTP/AVP 8 101")).dtmf_send == 101

    def test_an_answer_without_digits_agrees_on_none(self) -> None:
        session = agreed(OURS, sdp("m=audio 4000 RTP/AVP 8"))
        assert (session.dtmf_send, session.dtmf_receive) == (None, None)

    def test_lines_beyond_the_offer_are_ignored(self) -> None:
        assert agreed(OURS, sdp("m=audio 4000 RTP/AVP 8", "m=video 5000 RTP/AVP 31")).codec is PCMA

    def test_lines_that_we_had_declined_are_passed_over(self) -> None:
        ours = reoffer(answered(sdp("m=video 1 RTP/AVP 31", "m=audio 4000 RTP/AVP 8"))[0], US, BOTH)
        assert agreed(ours, sdp("m=video 0 RTP/AVP 31", "m=audio 4006 RTP/AVP 8")).remote == ("192.0.2.7", 4006)

    @pytest.mark.parametrize(
        ("ours", "theirs", "sends", "receives"),
        [
            ("sendonly", "recvonly", True, False),
            ("sendonly", "inactive", False, False),
            ("sendonly", "sendrecv", True, False),
            ("sendrecv", "sendonly", False, True),
            ("inactive", "sendrecv", False, False),
        ],
    )
    def test_nothing_flows_that_one_side_did_not_allow(
        self, ours: str, theirs: str, sends: bool, receives: bool
    ) -> None:
        our_offer = offer(US, BOTH, session_id=1, version=1, direction=Direction(ours))
        session = agreed(our_offer, sdp("m=audio 4000 RTP/AVP 8", f"a={theirs}"))
        assert (session.sends, session.receives) == (sends, receives)

    @pytest.mark.parametrize(
        ("lines", "reason"),
        [
            ([], "the answer has 0 media lines, the offer has 1"),
            (["m=audio 0 RTP/AVP 8"], "the peer declined the audio stream"),
            (["m=audio 4000 RTP/AVP 9"], "no common codec"),
            (["m=video 4000 RTP/AVP 31"], "no video here"),
            (["m=audio 4000 RTP/SAVP 8"], "transport RTP/SAVP"),
        ],
    )
    def test_an_answer_that_answers_something_else_is_refused(self, lines: list[str], reason: str) -> None:
        result = accept(OURS, sdp(*lines))
        assert isinstance(result, Refused)
        assert reason in result.reason


class TestLookingAhead:
    def test_the_common_codecs_are_named_in_the_peers_order(self) -> None:
        offered = sdp("m=audio 1 RTP/SAVP 8", "m=audio 4000 RTP/AVP 9 0 8", host="2001:db8::7")
        assert common(offered, BOTH) == (PCMU, PCMA)
        assert common(offered, (PCMA,)) == (PCMA,)

    @pytest.mark.parametrize("line", ["m=audio 4000 RTP/SAVP 8", "m=audio 0 RTP/AVP 8", "m=video 4000 RTP/AVP 8"])
    def test_nothing_is_common_without_plain_audio(self, line: str) -> None:
        assert common(sdp(line), BOTH) == ()


G711 = [Codec.PCMU, Codec.PCMA]
CODECS = st.lists(st.sampled_from(G711), min_size=1, max_size=2, unique=True)
FORMATS = st.lists(st.integers(0, 130).map(str) | st.sampled_from(["x", "*", "-1", "08", "٣"]), max_size=6)
ENCODINGS = st.sampled_from(["PCMU/8000", "pcma/8000/1", "telephone-event/8000", "TELEPHONE-EVENT/48000", "G722/8000"])
HOSTS = st.sampled_from(["192.0.2.7", "0.0.0.0", "::", "2001:db8::7", "h.example", "224.1.1.1", "1.2.3", "::1/7"])


@st.composite
def peers_lines(draw: st.DrawFn) -> list[str]:
    kind = draw(st.sampled_from(["audio", "audio", "audio", "video", "image"]))
    protocol = draw(st.sampled_from(["RTP/AVP", "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "udptl"]))
    formats = draw(FORMATS)
    lines = [f"m={kind} {draw(st.sampled_from([0, 4000, 65_535]))} {protocol} {' '.join(formats)}"]
    for form in formats:
        if draw(st.booleans()):
            lines.append(f"a=rtpmap:{form} {draw(ENCODINGS)}")
    lines += draw(st.lists(st.sampled_from(["a=sendonly", "a=inactive", "a=rtcp:0", "a=rtcp:9 IN IP4 x"]), max_size=2))
    if draw(st.booleans()):
        host = draw(HOSTS)
        lines.append(f"c=IN {'IP6' if ':' in host else 'IP4'} {host}")
    return lines


@given(st.lists(peers_lines(), max_size=4), HOSTS, CODECS, st.none() | st.sampled_from(G711))
def test_whatever_is_offered_the_answer_is_legal(
    streams: list[list[str]], host: str, codecs: list[Codec], prefer: Codec | None
) -> None:
    offered = sdp(*(line for lines in streams for line in lines), host=host)
    result = answer(offered, US, codecs, prefer=speaking(prefer), session_id=1, version=1)
    if isinstance(result, Refused):
        assert result.status == 488
        return
    description, session = result
    assert parse(bytes(description)) == description
    assert len(description.media) == len(offered.media)
    for theirs, ours in zip(offered.media, description.media, strict=True):
        assert (ours.kind, ours.protocol) == (theirs.kind, theirs.protocol)
        if ours.port:
            assert set(ours.formats) <= set(theirs.formats)
            assert not (ours.direction or Direction.SENDRECV).sends or offered.direction_of(theirs).receives
    assert sum(bool(ours.port) for ours in description.media) <= 1
    assert session.codec in codecs
    assert session.remote is None or session.remote[1] > 0


@given(CODECS, CODECS, st.sampled_from(Direction), st.sampled_from(Direction))
def test_both_sides_agree_on_the_same(
    offered: list[Codec], known: list[Codec], ours: Direction, theirs: Direction
) -> None:
    here, there = ("192.0.2.1", 20_000), ("192.0.2.7", 30_000)
    description = offer(here, offered, session_id=1, version=1, direction=ours)
    result = answer(description, there, known, session_id=2, version=1, direction=theirs)
    if isinstance(result, Refused):
        assert not set(offered) & set(known)
        return
    reply, their_session = result
    our_session = agreed(description, reply)
    assert (our_session.remote, their_session.remote) == (there, here)
    assert our_session.codec is their_session.codec
    assert our_session.payload_type == their_session.payload_type
    assert (our_session.sends, our_session.receives) == (their_session.receives, their_session.sends)
    assert (our_session.dtmf_send, our_session.dtmf_receive) == (their_session.dtmf_receive, their_session.dtmf_send)


@given(st.lists(peers_lines(), max_size=3), HOSTS)
def test_whatever_is_answered_nothing_raises(streams: list[list[str]], host: str) -> None:
    result = accept(OURS, sdp(*(line for lines in streams for line in lines), host=host))
    if isinstance(result, MediaSession):
        assert result.codec in BOTH


def test_a_static_number_that_the_peer_gave_to_another_codec_keeps_that_meaning() -> None:
    offered = sdp("m=audio 4000 RTP/AVP 0 13", "a=rtpmap:0 PCMA/8000", "a=rtpmap:13 L16/8000")
    before, _ = answer(offered, US, [Codec.PCMA], session_id=1, version=1)  # type: ignore[misc]
    (after,) = reoffer(before, US, [Codec.PCMU]).media
    assert after.formats[0] == "96"
    assert after.encodings["96"].name == "PCMU"


@given(st.lists(peers_lines(), max_size=3), HOSTS, st.sampled_from(Direction), CODECS)
@example([["m=audio 4000 RTP/AVP 0 0", "a=rtpmap:0 pcma/8000"]], "192.0.2.2", Direction.SENDRECV, [Codec.PCMU])
def test_every_new_offer_keeps_the_lines_and_numbers_of_the_dialog(
    streams: list[list[str]], host: str, direction: Direction, codecs: list[Codec]
) -> None:
    result = answer(sdp(*(line for lines in streams for line in lines), host=host), US, BOTH, session_id=1, version=1)
    if isinstance(result, Refused):
        return
    before, _ = result
    after = reoffer(before, US, codecs, direction=direction)
    assert [media.kind for media in after.media][: len(before.media)] == [media.kind for media in before.media]
    assert len(set(after.media[-1].formats)) == len(after.media[-1].formats)
    for old, new in zip(before.media, after.media, strict=False):
        for form, encoding in old.encodings.items():
            assert new.encodings.get(form, encoding) == encoding
    expected = replace(before.origin, version=str(int(before.origin.version) + (after != before)))
    assert after.origin == expected


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of recorded messages is not here")
class TestRecordedOffers:
    def recorded(self, name: str) -> SessionDescription:
        content = (SAMPLES / name).read_bytes()
        parsed = parse(content[content.find(b"v=0") :])
        assert isinstance(parsed, SessionDescription)
        return parsed

    def test_baresip_gets_the_first_codec_that_we_know(self) -> None:
        session = answered(self.recorded("sip-samples/local/invite-baresip-v1.0.0-x86.sip"))[1]
        assert (session.codec, session.dtmf_send, session.remote) == (PCMU, 101, ("192.0.2.2", 38530))

    def test_sipp_without_digits_is_answered(self) -> None:
        session = answered(self.recorded("sip-samples/local/invite-none.sip"))[1]
        assert (session.codec, session.dtmf_send, session.remote) == (PCMU, None, ("127.0.0.1", 6000))

    def test_a_browser_is_refused_for_its_transport(self) -> None:
        assert refusal(self.recorded("sip-samples/local/chromium-156-audio-offer.sdp")).warning == 302

    def test_the_torture_offer_with_video_is_answered_with_audio_alone(self) -> None:
        ours, session = answered(self.recorded("sip-torture/rfc4475/sdp01.dat"))
        assert [media.port for media in ours.media] == [20_000, 0]
        assert session.remote == ("192.0.2.5", 49_217)


class TestCodecsWithMeaning:
    """Dynamic numbers, parameters and clocks."""

    ALL = (Codec.OPUS, Codec.G722, PCMA, PCMU)

    def test_we_offer_opus_and_g722_as_their_rfcs_want_them(self) -> None:
        offered = offer(US, self.ALL, session_id=1, version=1).media[0]
        assert offered.formats == ("111", "9", "8", "0", "13", "101", "110")
        attributes = [f"{a.name}:{a.value}" for a in offered.attributes]
        assert "rtpmap:111 opus/48000/2" in attributes  # RFC 7587 section 7
        assert "fmtp:111 maxplaybackrate=16000;sprop-maxcapturerate=16000;stereo=0;useinbandfec=1" in attributes
        assert "rtpmap:9 G722/8000" in attributes  # RFC 3551 section 4.5.2
        assert "rtpmap:101 telephone-event/8000" in attributes
        assert "rtpmap:110 telephone-event/48000" in attributes

    def test_an_answer_keeps_the_peers_numbers(self) -> None:
        offered = sdp(
            "m=audio 4000 RTP/AVP 120 99 98",
            "a=rtpmap:120 OPUS/48000/2",
            "a=fmtp:120 useinbandfec=1; usedtx=1; maxaveragebitrate=20000",
            "a=rtpmap:98 telephone-event/8000",
            "a=rtpmap:99 telephone-event/48000",
        )
        ours, session = answered(offered, self.ALL)
        assert ours.media[0].formats == ("120", "99")
        assert (session.codec, session.payload_type, session.format) == (Codec.OPUS, 120, "")
        assert (session.dtmf_send, session.dtmf_receive, session.dtmf_clock) == (99, 99, 48_000)
        assert session.parameters == "useinbandfec=1; usedtx=1; maxaveragebitrate=20000"

    def test_digits_have_the_clock_of_the_codec_or_else_the_one_that_there_is(self) -> None:
        events = ("a=rtpmap:96 opus/48000/2", "a=rtpmap:101 telephone-event/8000")
        session = answered(sdp("m=audio 4000 RTP/AVP 96 0 101", *events), self.ALL)[1]
        assert (session.codec, session.dtmf_send, session.dtmf_clock) == (Codec.OPUS, 101, 8000)
        session = answered(sdp("m=audio 4000 RTP/AVP 96 0 101", *events), BOTH)[1]
        assert (session.codec, session.dtmf_send, session.dtmf_clock) == (PCMU, 101, 8000)

    def test_l16_is_told_apart_by_its_clock(self) -> None:
        lines = ("a=rtpmap:96 L16/44100", "a=rtpmap:97 L16/16000", "a=rtpmap:98 L16/8000/2")
        session = answered(sdp("m=audio 4000 RTP/AVP 96 97 98", *lines), (Codec.L16_8, Codec.L16_16))[1]
        assert (session.codec, session.payload_type) == (Codec.L16_16, 97)

    def test_a_peer_may_answer_with_a_number_of_its_own(self) -> None:
        ours = offer(US, self.ALL, session_id=1, version=1)
        session = accept(ours, sdp("m=audio 4000 RTP/AVP 96", "a=rtpmap:96 opus/48000/2"))
        assert isinstance(session, MediaSession)
        assert (session.payload_type, session.payload_receive) == (96, 111)

    @pytest.mark.parametrize(
        ("parameters", "settings"),
        [
            ("", OpusSettings()),
            ("useinbandfec=1;usedtx=1;cbr=1", OpusSettings(fec=True, dtx=True, constant=True)),
            ("MaxPlaybackRate = 8000 ; maxaveragebitrate=12000", OpusSettings(playback_rate=8000, bitrate=12_000)),
            ("maxaveragebitrate=510000", OpusSettings()),
            ("maxaveragebitrate=1;useinbandfec=٣;=;x", OpusSettings(bitrate=6000)),
        ],
    )
    def test_what_a_peer_wants_of_opus_is_read(self, parameters: str, settings: OpusSettings) -> None:
        assert OpusSettings.asked(parameters) == settings


class TestForeignCodecs:
    """Codecs that only the two peers know."""

    CALLER = (
        "m=audio 4000 RTP/AVP 97 98 18 0 101",
        "a=rtpmap:97 AMR/8000",
        "a=fmtp:97 octet-align=1",
        "a=rtpmap:98 AMR/8000",
        "a=fmtp:98 octet-align=0; mode-set=0,2",
        "a=fmtp:18 annexb=no",
        "a=rtpmap:101 telephone-event/8000",
    )

    def test_they_are_offered_last_under_the_callers_numbers(self) -> None:
        ours = offer(US, BOTH, foreign=foreign(sdp(*self.CALLER)), session_id=1, version=1)
        assert ours.media[0].formats == ("8", "0", "97", "98", "18", "13", "101")
        assert ours.media[0].parameters("98") == "octet-align=0; mode-set=0,2"
        assert ours.media[0].encodings["18"].name == "G729"

    def test_the_answer_is_told_to_the_caller_with_the_callees_parameters(self) -> None:
        caller = sdp(*self.CALLER)
        ours = offer(US, BOTH, foreign=foreign(caller), session_id=1, version=1)
        theirs = sdp("m=audio 6000 RTP/AVP 98", "a=rtpmap:98 AMR/8000", "a=fmtp:98 octet-align=0;mode-set=2")
        session = accept(ours, theirs)
        assert isinstance(session, MediaSession)
        assert (session.codec, session.format) == (Codec.PASSTHROUGH, "amr/8000/1;mode-set=0,2;octet-align=0")
        answer_to_caller = answer(caller, US, BOTH, prefer=session, session_id=1, version=1)
        assert not isinstance(answer_to_caller, Refused)
        description, agreed = answer_to_caller
        assert description.media[0].formats == ("98", "101")
        assert description.media[0].parameters("98") == "octet-align=0;mode-set=2"
        assert (agreed.codec, agreed.payload_type, agreed.format) == (Codec.PASSTHROUGH, 98, session.format)

    def test_without_another_leg_that_speaks_them_they_are_not_agreed_upon(self) -> None:
        assert answered(sdp(*self.CALLER))[1].codec is PCMU
        assert refusal(sdp("m=audio 4000 RTP/AVP 18")).warning == 305

    def test_no_more_than_eight_are_passed_on(self) -> None:
        many = sdp(
            "m=audio 4000 RTP/AVP " + " ".join(map(str, range(96, 128))),
            *(f"a=rtpmap:{n} X{n}/8000" for n in range(96, 128)),
        )
        assert len(foreign(many)) == 8
        ours = offer(US, (Codec.OPUS,), foreign=foreign(many), session_id=1, version=1)
        assert len(set(ours.media[0].formats)) == 1 + 8 + 2

    @pytest.mark.parametrize("form", ["telephone-event/16000", "CN/8000", "red/8000/2"])
    def test_what_is_no_codec_is_not_passed_on(self, form: str) -> None:
        assert foreign(sdp("m=audio 4000 RTP/AVP 96", f"a=rtpmap:96 {form}")) == ()
