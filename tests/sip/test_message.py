from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given

from softswitch.sip.headers import CSeq, Headers, MediaType, NameAddr
from softswitch.sip.message import REASONS, Request, Response
from softswitch.sip.parser import parse
from softswitch.sip.uri import Uri
from tests.sip.strategies import messages, requests, tokens

INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2\r\n"
    b"Via: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK1\r\n"
    b"Record-Route: <sip:192.0.2.1;lr>\r\n"
    b"From: Alice <sip:alice@example.com>;tag=a\r\n"
    b"To: sip:bob@example.com\r\n"
    b"Call-ID: c1\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Max-Forwards: 70\r\n"
    b"Contact: <sip:alice@192.0.2.2>\r\n"
    b"Timestamp: 54\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)


def invite(*more: tuple[str, str], body: bytes = b"") -> Request:
    request = parse(INVITE)
    assert isinstance(request, Request)
    for name, value in more:
        request.headers.set(name, value)
    return Request(request.method, request.uri, request.headers, body)


@given(messages)
def test_a_message_reads_back_as_it_was_sent(message):
    assert parse(message.encode()) == message


@given(messages)
def test_content_length_is_always_that_of_the_body(message):
    message.headers.set("Content-Length", 999)
    head, _, body = message.encode().partition(b"\r\n\r\n")
    assert head.endswith(b"\r\nContent-Length: %d" % len(body))
    assert head.count(b"\r\nContent-Length:") == 1
    assert body == message.body


def test_a_request_is_written_line_by_line():
    request = Request("OPTIONS", Uri(host="h"), Headers([("Via", "SIP/2.0/UDP a"), ("To", "<sip:h>")]), b"hi")
    assert request.encode() == (
        b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nTo: <sip:h>\r\nContent-Length: 2\r\n\r\nhi"
    )


def test_a_response_is_written_with_the_usual_phrase_unless_it_has_its_own():
    assert Response(486).encode() == b"SIP/2.0 486 Busy Here\r\nContent-Length: 0\r\n\r\n"
    assert Response(486, "На обеде").encode().startswith("SIP/2.0 486 На обеде\r\n".encode())
    assert Response(100, "").encode().startswith(b"SIP/2.0 100 \r\n")
    assert Response(499).reason == "Request Failure"


def test_a_reason_phrase_or_method_that_would_break_the_line_is_refused():
    with pytest.raises(ValueError, match="reason phrase"):
        Response(200, "OK\r\nX: y").encode()
    with pytest.raises(ValueError, match="method"):
        Request("A B", Uri(host="h")).encode()


def test_every_final_status_class_has_phrases():
    assert {status // 100 for status in REASONS} == {1, 2, 3, 4, 5, 6}


def test_the_fields_of_a_call_are_typed():
    request = invite(("Expires", "60"), ("Supported", "100rel, timer"), ("Allow", "INVITE,ACK"))
    assert [via.host for via in request.vias] == ["192.0.2.1", "192.0.2.2"]
    assert request.via.branch == "z9hG4bK2"
    assert request.from_ == NameAddr("Alice", Uri(user="alice", host="example.com"), (("tag", "a"),))
    assert request.to == NameAddr(None, Uri(user="bob", host="example.com"))
    assert (request.call_id, request.cseq) == ("c1", CSeq(7, "INVITE"))
    assert [contact.uri.host for contact in request.contacts] == ["192.0.2.2"]
    assert [hop.uri.loose for hop in request.record_routes] == [True]
    assert request.routes == ()
    assert (request.max_forwards, request.expires) == (70, 60)
    assert (request.supported, request.allow) == (("100rel", "timer"), ("INVITE", "ACK"))


def test_fields_that_are_absent_are_none_or_empty():
    response = Response(200)
    assert response.max_forwards is response.expires is response.content_type is response.media_type is None
    assert response.session_expires is response.min_se is response.rseq is response.rack is response.date is None
    assert response.session_refresher is response.retry_after is response.min_expires is None
    assert response.contacts == response.vias == response.require == response.reasons == response.parts == ()
    assert not response.contact_is_star
    assert response.find_body("application/sdp") is None


def test_optional_fields_that_are_malformed_read_as_absent():
    request = invite(
        ("Session-Expires", "soon"),
        ("RSeq", "-1"),
        ("RAck", "1 x"),
        ("Content-Type", "text"),
        ("Date", "Fri, 31 Feb 2010 16:00:00 GMT"),
        ("Require", "a,,b"),
        ("P-Asserted-Identity", "<"),
    )
    assert request.session_expires is request.rseq is request.rack is request.content_type is request.date is None
    assert request.require == request.asserted_identities == ()


def test_a_message_of_ours_without_a_mandatory_field_is_our_mistake():
    for name in ("via", "from_", "to", "call_id", "cseq"):
        with pytest.raises(ValueError, match="message without"):
            getattr(Response(200), name)


def test_session_timer_and_prack_fields_are_typed():
    request = invite(("x", "1800 ;Refresher=UAS"), ("Min-SE", "90"), ("RAck", "776656  1 INVITE"), ("RSeq", "988789"))
    assert (request.session_expires, request.session_refresher, request.min_se) == (1800, "uas", 90)
    assert (request.rack, request.rseq) == ((776656, CSeq(1, "INVITE")), 988789)


def test_retry_after_may_have_a_comment():
    # RFC 3261 section 20.33
    response = Response(503, None, Headers([("Retry-After", "120 (I'm in a meeting);duration=60")]))
    assert response.retry_after == 120


def test_a_date_is_utc_and_one_in_another_zone_is_unknown():
    # RFC 4475 section 3.1.2.12
    assert invite(("Date", "Fri, 01 Jan 2010 16:00:00 GMT")).date == datetime(2010, 1, 1, 16, tzinfo=UTC)
    assert invite(("Date", "Fri, 01 Jan 2010 16:00:00 EST")).date is None


def test_accept_is_a_list_of_media_ranges_without_parameters():
    assert invite(("Accept", "Application/SDP;level=1, text/html, */*")).accept == (
        "application/sdp",
        "text/html",
        "*/*",
    )


# -- replies (RFC 3261 section 8.2.6)


def test_a_reply_echoes_via_from_to_call_id_and_cseq_and_nothing_else():
    response = invite().reply(486, to_tag="b")
    assert list(response.headers.items()) == [
        ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2"),
        ("Via", "SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK1"),
        ("From", "Alice <sip:alice@example.com>;tag=a"),
        ("To", "sip:bob@example.com;tag=b"),
        ("Call-ID", "c1"),
        ("CSeq", "7 INVITE"),
    ]
    assert (response.status, response.reason, response.body, response.to.tag) == (486, "Busy Here", b"", "b")


def test_a_100_echoes_the_timestamp_and_has_no_tag_of_ours():
    response = invite().reply(100)
    assert response.headers.get("Timestamp") == "54"
    assert response.to.tag is None


@pytest.mark.parametrize(("status", "echoed"), [(100, False), (180, True), (200, True), (302, False), (486, False)])
def test_record_route_is_echoed_where_a_dialog_begins(status, echoed):
    assert ("Record-Route" in invite().reply(status, to_tag="b").headers) is echoed


def test_record_route_is_not_echoed_to_a_method_that_makes_no_dialog():
    request = invite(("CSeq", "7 OPTIONS"))
    assert "Record-Route" not in Request("OPTIONS", request.uri, request.headers).reply(200).headers


def test_a_to_that_has_a_tag_keeps_it():
    assert invite(("To", "<sip:b@h>;tag=old")).reply(200, to_tag="new").to.tag == "old"


def test_an_empty_tag_is_filled_and_not_doubled():
    assert invite(("To", "sip:b@h;tag=")).reply(200, to_tag="new").headers.get("To") == "<sip:b@h>;tag=new"


def test_a_tag_that_would_add_a_parameter_is_refused():
    with pytest.raises(ValueError, match="token"):
        invite().reply(200, to_tag="a;b=c")


def test_changing_a_reply_leaves_the_request_alone():
    request = invite()
    response = request.reply(200)
    response.headers.remove("Via")
    response.headers.set("To", "<sip:x>")
    assert len(request.vias) == 2
    assert request.to.uri.user == "bob"


@given(requests(), tokens)
def test_every_request_that_was_parsed_can_be_answered(request_, tag):
    received = parse(request_.encode())
    assert isinstance(received, Request)
    response = received.reply(200, to_tag=tag)
    assert parse(response.encode()) == response
    assert response.to.tag == (received.to.tag or tag)


# -- multipart bodies (RFC 2046 section 5.1)

MIXED = (
    b"ignored preamble\r\n"
    b"--b\r\n"
    b"\r\n"
    b"plain\r\n"
    b"--b  \r\n"
    b"Content-Type: application/SDP\r\n"
    b"Content-Disposition: session;\r\n handling=required\r\n"
    b"\r\n"
    b"v=0\r\n\r\n--x\r\n"
    b"\r\n--b--\r\n"
    b"ignored epilogue"
)


def test_a_multipart_body_has_its_parts_with_their_headers():
    message = invite(("Content-Type", "multipart/mixed;boundary=b"), body=MIXED)
    assert [(part.content_type, part.body) for part in message.parts] == [
        (MediaType("text/plain"), b"plain"),
        (MediaType("application/sdp"), b"v=0\r\n\r\n--x\r\n"),
    ]
    assert message.parts[1].headers.get("Content-Disposition") == "session; handling=required"


def test_a_body_is_found_alone_in_a_part_and_in_a_part_of_a_part():
    inner = b"--c\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n" + MIXED + b"\r\n--c--"
    alone = invite(("Content-Type", "application/sdp"), body=b"v=0")
    part = invite(("Content-Type", 'multipart/mixed;boundary="b"'), body=MIXED)
    deep = invite(("Content-Type", "multipart/alternative;boundary=c"), body=inner)
    assert alone.find_body("application/sdp") == b"v=0"
    assert part.find_body("application/sdp") == b"v=0\r\n\r\n--x\r\n"
    assert deep.find_body("application/sdp") == b"v=0\r\n\r\n--x\r\n"
    assert deep.find_body("text/html") is None


@pytest.mark.parametrize(
    "body",
    [b"", b"--b", b"--b\r\n\r\nno end", b"--b\r\nno colon\r\n\r\nx\r\n--b--", b"--bx\r\n\r\n\r\n--b--", MIXED[:-30]],
)
def test_a_malformed_multipart_body_has_no_parts(body):
    message = invite(("Content-Type", "multipart/mixed;boundary=b"), body=body)
    assert message.parts == ()


def test_nesting_is_followed_four_levels_deep_and_no_further():
    body = b"v=0"
    content_type = "application/sdp"
    for depth in range(6):
        if depth <= 3:
            assert invite(("Content-Type", content_type), body=body).find_body("application/sdp") == b"v=0"
        body = b"--d%d\r\nContent-Type: %s\r\n\r\n%s\r\n--d%d--" % (depth, content_type.encode(), body, depth)
        content_type = f"multipart/mixed;boundary=d{depth}"
    assert invite(("Content-Type", content_type), body=body).find_body("application/sdp") is None
