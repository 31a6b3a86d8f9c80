from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.framing import KeepAlive, StreamFramer
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import Limits, ParseError, parse
from tests.sip.strategies import damaged, messages

START = b"OPTIONS sip:bob@example.com SIP/2.0\r\n"
FIELDS = (
    b"Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.com>;tag=a\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: c1\r\n"
    b"CSeq: 1 OPTIONS\r\n"
)
BODILESS = START + FIELDS + b"Content-Length: 0\r\n\r\n"
WITH_BODY = START + FIELDS + b"l: 8\r\n\r\n\r\n\r\nSIP/"
FAULTY = START + FIELDS + b"Expires: x\r\nl: 3\r\n\r\nabc"
Item = Request | Response | ParseError | KeepAlive


def feed(framer: StreamFramer, chunks: list[bytes], now: float = 100.0) -> list[Item]:
    return [item for chunk in chunks for item in framer.receive(chunk, now)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


# -- messages


@given(st.lists(messages, min_size=1, max_size=3), st.lists(st.integers(0, 5000), max_size=5))
def test_a_stream_cut_anywhere_gives_the_messages_that_were_sent(sent, places):
    framer = StreamFramer()
    stream = b"".join(message.encode() for message in sent)
    assert feed(framer, cut(stream, places)) == sent
    assert not framer.closed
    assert framer.deadline is None


def test_one_octet_at_a_time_gives_each_message_with_its_last_octet():
    framer = StreamFramer()
    stream = BODILESS + WITH_BODY + FAULTY + BODILESS
    ends = [at for at in range(1, len(stream) + 1) if framer.receive(stream[at - 1 : at], 100.0)]
    assert ends == [
        len(BODILESS),
        len(BODILESS + WITH_BODY),
        len(BODILESS + WITH_BODY + FAULTY),
        len(stream),
    ]


@given(st.binary(max_size=200) | damaged(), st.lists(st.integers(0, 5000), max_size=5))
def test_no_stream_raises_and_where_it_is_cut_makes_no_difference(data, places):
    whole, pieces = StreamFramer(), StreamFramer()
    expected, got = feed(whole, [data]), feed(pieces, cut(data, places))
    # Pings that come in one segment share a pong.
    assert [item for item in got if item != KeepAlive()] == [item for item in expected if item != KeepAlive()]
    assert (pieces.closed, pieces.deadline) == (whole.closed, whole.deadline)


def test_a_faulty_message_whose_end_is_known_does_not_stop_the_stream():
    framer = StreamFramer()
    error, message = framer.receive(FAULTY + WITH_BODY, 100.0)
    assert error == parse(FAULTY)
    assert isinstance(error, ParseError)
    assert error.reply is not None
    assert message == parse(WITH_BODY)
    assert not framer.closed


# -- lost framing


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (START + FIELDS + b"\r\n", 400),  # RFC 3261 section 20.14: a stream needs Content-Length
        (START + FIELDS + b"l: -1\r\n\r\n", 400),
        (START + FIELDS + b"l: five\r\n\r\n", 400),
        (START + FIELDS + b"l: 5, 5\r\n\r\n", 400),
        (START + FIELDS + b"l: 5\r\nContent-Length: 5\r\n\r\nabcde", 400),
        (START + FIELDS + b"l: 0x10\r\n\r\n", 400),
        (START + FIELDS + b"l: 262145\r\n\r\n", 413),
        (START + FIELDS + b"l: 9223372036854775808\r\n\r\n", 400),
        (START + FIELDS + b"l: 0\r\nno colon\r\n\r\n", 400),
        (START + FIELDS + b"l: 0\rX: y\r\n\r\n", 400),
        (START + FIELDS + b"Subject: " + b"x" * 70000 + b"\r\nl: 0\r\n\r\n", 400),
    ],
)
def test_when_the_end_of_a_message_is_unknown_it_is_answered_and_the_stream_closes(stream, status):
    framer = StreamFramer()
    (error,) = framer.receive(stream + BODILESS, 100.0)
    assert isinstance(error, ParseError)
    assert error.status == status
    assert error.reply is not None
    assert error.reply.status == status
    assert (framer.closed, framer.deadline) == (True, None)
    assert framer.receive(BODILESS, 100.0) == []


def test_headers_without_end_are_given_up_at_the_limit():
    framer = StreamFramer(Limits(headers=1000))
    sent = 0
    while not framer.closed:
        assert sent <= 1000 + 100
        for error in framer.receive(b"x" * 100, 100.0):
            assert error == ParseError(400, 0, "header section too long")
        sent += 100


def test_headers_of_exactly_the_limit_are_accepted_and_one_octet_more_is_not():
    stream = BODILESS
    limit = len(BODILESS) - 4
    for chunks in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
        assert feed(StreamFramer(Limits(headers=limit)), chunks) == [parse(stream)]
        (error,) = feed(StreamFramer(Limits(headers=limit - 1)), chunks)
        assert isinstance(error, ParseError)
        assert error.reason == "header section too long"


# -- time


def test_a_header_section_has_ten_seconds_from_its_first_octet():
    framer = StreamFramer()
    assert framer.deadline is None
    assert framer.receive(b"O", 100.0) == []
    assert framer.receive(START[1:], 105.0) == []
    assert framer.deadline == 110.0
    assert framer.tick(109.9) == []
    assert framer.tick(110.0) == [ParseError(400, 0, "header section did not arrive in time")]
    assert framer.closed
    assert framer.tick(120.0) == []


def test_a_body_has_ten_seconds_more_and_its_request_is_then_answered():
    framer = StreamFramer()
    framer.receive(WITH_BODY[:-5], 100.0)
    framer.receive(WITH_BODY[-5:-1], 108.0)
    assert framer.deadline == 110.0
    (error,) = framer.tick(111.0)
    assert isinstance(error, ParseError)
    assert error.reason == "body did not arrive in time"
    assert error.reply is not None
    assert framer.closed


def test_a_whole_message_leaves_no_deadline_and_an_idle_stream_never_had_one():
    framer = StreamFramer()
    assert framer.tick(1000.0) == []
    framer.receive(WITH_BODY[:50], 100.0)
    framer.receive(WITH_BODY[50:], 101.0)
    assert framer.deadline is None
    assert framer.tick(1000.0) == []
    assert not framer.closed


def test_keep_alives_do_not_start_the_clock():
    framer = StreamFramer()
    for chunk in (b"\r", b"\n", b"\r", b"\n", b"\r\n"):
        framer.receive(chunk, 100.0)
        assert framer.deadline is None


# -- keep-alives (RFC 5626 section 4.4.1)


def test_two_line_breaks_between_messages_are_a_ping():
    framer = StreamFramer()
    assert feed(framer, [BODILESS, b"\r\n\r\n", BODILESS]) == [parse(BODILESS), KeepAlive(b"\r\n"), parse(BODILESS)]


def test_a_ping_is_seen_when_its_last_octet_comes():
    framer = StreamFramer()
    assert [len(framer.receive(bytes((octet,)), 100.0)) for octet in b"\r\n\r\n\r\n\r\n"] == [0, 0, 0, 1, 0, 0, 0, 1]


def test_one_line_break_is_a_pong_and_says_nothing():
    framer = StreamFramer()
    assert feed(framer, [b"\r\n", BODILESS, b"\r\n"]) == [parse(BODILESS)]


def test_a_flood_of_pings_in_one_segment_gets_one_pong():
    assert StreamFramer().receive(b"\r\n" * 30000, 100.0) == [KeepAlive()]


def test_two_line_breaks_inside_a_body_are_the_body():
    (message,) = StreamFramer().receive(WITH_BODY, 100.0)
    assert isinstance(message, Request)
    assert message.body == b"\r\n\r\nSIP/"


def test_a_message_after_three_line_breaks_follows_one_ping():
    assert StreamFramer().receive(b"\r\n\r\n\r\n" + BODILESS, 100.0) == [KeepAlive(), parse(BODILESS)]
