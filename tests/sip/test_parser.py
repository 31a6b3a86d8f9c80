from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from softswitch.sip.message import Request, Response
from softswitch.sip.parser import DEFAULT_LIMITS, Limits, ParseError, parse
from tests.sip.strategies import damaged, messages

HEAD = (
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@example.com>;tag=a\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"Call-ID: c1\r\n"
    b"CSeq: 1 OPTIONS\r\n"
)
START = b"OPTIONS sip:bob@example.com SIP/2.0\r\n"


def options(more: bytes = b"", *, start: bytes = START, head: bytes = HEAD, body: bytes = b"") -> bytes:
    return start + head + more + b"\r\n" + body


def accepted(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request), message
    return message


def refused(data: bytes, limits: Limits = DEFAULT_LIMITS) -> ParseError:
    error = parse(data, limits)
    assert isinstance(error, ParseError), error
    return error


PROPERTIES = [
    name
    for kind in (Request, Response)
    for base in kind.__mro__
    for name, member in vars(base).items()
    if isinstance(member, property)
]


def read_everything(message: Request | Response) -> None:
    for name in PROPERTIES:
        getattr(message, name)
    message.find_body("application/sdp")
    repr(message)


# Whole messages are dear to generate; these say one simple thing each.
FEW = settings(max_examples=20)

# -- whatever comes


@given(st.binary(max_size=200) | damaged())
@example(b"")
@example(b"\r\n\r\n\r\n\r\n")
@example(b"\r\n \r\n\r\n")
@example(b"\0\0\0\0")
@example(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
@example(b"SIP/2.0 200\r\n\r\n")
def test_no_bytes_raise_and_what_is_accepted_is_understood_the_same_when_we_send_it(data):
    message = parse(data)
    if isinstance(message, ParseError):
        assert 400 <= message.status < 600
        assert 0 <= message.offset <= len(data)
        if message.reply is not None:
            assert message.reply.status == message.status
            assert message.reply.encode().startswith(b"SIP/2.0 %d " % message.status)
    else:
        read_everything(message)
        assert parse(message.encode()) == message
        if isinstance(message, Request):
            assert isinstance(parse(message.reply(200, to_tag="t").encode()), Response)


@given(damaged())
def test_an_answer_to_a_broken_request_is_never_much_larger_than_the_request(data):
    error = parse(data)
    if isinstance(error, ParseError) and error.reply is not None:
        assert len(error.reply.encode()) <= 2 * len(data) + 60


@given(messages, st.binary(max_size=60))
@FEW
def test_octets_after_the_body_change_nothing(message, trailing):
    # RFC 3261 section 18.3
    assert parse(message.encode() + trailing) == message


@given(messages, st.integers(1, 3))
@FEW
def test_line_breaks_before_the_start_line_are_skipped(message, count):
    # RFC 3261 section 7.5
    assert parse(b"\r\n" * count + message.encode()) == message


@given(messages, st.data())
@FEW
def test_a_cut_message_is_never_taken_for_a_whole_one(message, data):
    whole = message.encode()
    cut = parse(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert isinstance(cut, ParseError)


# -- lines


def test_a_folded_line_is_one_line_with_one_space_at_each_fold():
    assert accepted(options(b"Subject: a\r\n  b\r\n\tc\r\n")).headers.get("Subject") == "a b c"


def test_a_folded_start_line_is_refused():
    assert refused(options(start=b"OPTIONS sip:bob@example.com\r\n SIP/2.0\r\n")).reason == "folded start line"
    assert refused(options(start=START + b" \r\n")).reason == "folded start line"


def test_white_space_before_the_colon_belongs_to_no_name():
    assert accepted(options(b"Subject \t: x\r\n")).headers.get("Subject") == "x"


def test_compact_and_long_names_are_the_same_field():
    request = accepted(options(b"k: timer\r\nSupported: 100rel\r\n"))
    assert request.supported == ("timer", "100rel")


def test_utf8_is_kept_and_a_latin_1_line_does_not_spoil_the_others():
    request = accepted(options("Subject: обед\r\nOrganization: Caf".encode() + b"\xe9\r\n"))
    assert request.headers.get("Subject") == "обед"
    assert request.headers.get("Organization") == "Café"


def test_an_overlong_utf8_bracket_is_no_bracket():
    head = HEAD.replace(b"To: <sip:bob@example.com>", b"To: x\xc0\xbcsip:evil@h> <sip:bob@example.com>")
    assert refused(options(head=head)).reason.startswith("To: ")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (b"Subject: a\rb\r\n", "CR or LF alone in the header section"),
        (b"Subject: a\nX: b\r\n", "CR or LF alone in the header section"),
        (b"Subject: a\r\r\n", "CR or LF alone in the header section"),
        (b"Subject: a\0b\r\n", "NUL in the header section"),
        (b"no colon\r\n", "header line without a name"),
        (b": x\r\n", "header line without a name"),
        (b"a b: x\r\n", "header line without a name"),
        (b"C\xc3\xb6: x\r\n", "header line without a name"),
    ],
)
def test_broken_lines_are_refused_and_answered(more, reason):
    error = refused(options(more))
    assert (error.status, error.reason) == (400, reason)
    assert error.reply is not None


def test_the_offset_is_where_the_faulty_line_begins():
    folded = b"Subject: x\r\n y\r\n"
    assert refused(options(folded + b"nonsense\r\n")).offset == len(START + HEAD + folded)
    assert refused(options(folded + b"Expires: x\r\n")).offset == len(START + HEAD + folded)
    assert refused(b"\r\n\r\n" + options(folded + b"Contact: <\r\n")).offset == 4 + len(START + HEAD + folded)
    assert refused(options(b"m: <sip:a>\r\nContact: <\r\n")).offset == len(START + HEAD) + len(b"m: <sip:a>\r\n")


# -- start lines


@pytest.mark.parametrize(
    "line",
    [
        b"OPTIONS <sip:user@example.com> SIP/2.0",  # RFC 4475 section 3.1.2.7
        b"OPTIONS sip:user@example.com; lr SIP/2.0",  # RFC 4475 section 3.1.2.8
        b"OPTIONS  sip:user@example.com  SIP/2.0",  # RFC 4475 section 3.1.2.9
        b"OPTIONS sip:user@example.com SIP/2.0  ",  # RFC 4475 section 3.1.2.10
        b"OPTIONS sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0",  # RFC 4475 section 3.1.2.11
        b"OPTIONS sip:2001:db8::10 SIP/2.0",  # RFC 5118 section 4.2
        b"OPTIONS sip:user@example.com SIP/2.0/UDP",
    ],
)
def test_malformed_request_lines_are_answered_with_400(line):
    error = refused(options(start=line + b"\r\n"))
    assert (error.status, error.offset) == (400, 0)
    assert error.reply is not None
    assert error.reply.status == 400


def test_another_version_is_answered_with_505():
    error = refused(options(start=b"OPTIONS sip:user@example.com SIP/3.0\r\n"))
    assert error.status == 505
    assert error.reply is not None
    assert error.reply.reason == "Version Not Supported"


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/1.1", b"SIP/2.0 4294967301 x", b"SIP/2.0 99 x", b"SIP/7.0 200 OK", b"hi"]
)
def test_what_is_no_request_is_dropped(line):
    assert refused(options(start=line + b"\r\n")).reply is None


def test_protocol_names_have_no_case_and_methods_have():
    assert accepted(options(start=b"OPTIONS sip:h sip/2.0\r\n")).method == "OPTIONS"
    assert refused(options(start=b"options sip:h SIP/2.0\r\n")).status == 501


def test_an_empty_reason_phrase_may_even_lack_its_space():
    response = parse(options(start=b"SIP/2.0 100\r\n"))
    assert isinstance(response, Response)
    assert (response.status, response.reason) == (100, "")


def test_a_request_uri_of_any_scheme_is_accepted():
    assert accepted(options(start=b"OPTIONS tel:+1234 SIP/2.0\r\n")).uri.user == "+1234"
    assert accepted(options(start=b"OPTIONS nobody:knows SIP/2.0\r\n")).uri.opaque == "knows"


def test_a_uri_beyond_all_reason_is_answered_with_414_in_the_request_line_and_400_elsewhere():
    long = b"sip:" + b"a" * 8200 + b"@h"
    assert refused(options(start=b"OPTIONS " + long + b" SIP/2.0\r\n")).status == 414
    assert refused(options(b"Contact: <" + long + b">\r\n")).status == 400
    assert refused(options(b"Contact: " + long + b"\r\n")).status == 400


# -- fields


@pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
def test_a_missing_mandatory_field_is_named_in_the_answer(name):
    head = b"".join(line for line in HEAD.splitlines(keepends=True) if not line.startswith(name + b":"))
    error = refused(options(head=head))
    assert error.reason == f"missing {name.decode()} header field"
    if name == b"Via":
        assert error.reply is None
    else:
        assert error.reply is not None
        assert error.reply.reason == f"Missing {name.decode()} header field"
        assert name.decode() not in error.reply.headers


@pytest.mark.parametrize(
    "line",
    [
        b"From: <sip:alice@example.com>;tag=a",
        b"t: <sip:x>",
        b"i: c1",
        b"CSeq: 1 OPTIONS",
        b"Max-Forwards: 70\r\nMax-Forwards: 70",
        b"c: text/plain\r\nContent-Type: text/plain",
        b"Expires: 1\r\nexpires: 2",
        b"Refer-To: <sip:a>\r\nr: <sip:b>",
        b"Content-Length: 0\r\nl: 0",
    ],
)
def test_a_second_one_of_a_single_field_is_refused_in_every_spelling(line):
    assert refused(options(line + b"\r\n")).status == 400


def test_the_answer_to_a_smuggler_echoes_the_first_of_each_field():
    error = refused(options(b"To: <sip:other@example.com>\r\n"))
    assert error.reply is not None
    assert error.reply.headers.all("To")[0].startswith("<sip:bob@example.com>;tag=")
    assert len(error.reply.headers.all("To")) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"Max-Forwards: 256",
        b"Max-Forwards: -1",
        b"Max-Forwards:",
        b"Expires: 4294967296",
        b"Expires: soon",
        b"Contact: <sip:a>;expires=4294967296",
        b"Contact: <sip:a>, ",
        b"Contact: *",
        b"Route: sip:a;lr",
        b"Route: *",
        b"Record-Route: <sip:a;lr>,,<sip:b;lr>",
        b"Content-Length: -1",
        b"Content-Length: +5",
        b"Content-Length: 0x10",
        b"Content-Length: 5, 5",
        b"Content-Length: 2147483648",
        b"Content-Length: 9223372036854775808",
    ],
)
def test_fields_that_the_switch_rests_on_must_be_right(line):
    error = refused(options(line + b"\r\n"))
    assert error.status in (400, 413)
    assert error.reply is not None


def test_the_star_contact_is_for_register_and_stands_alone():
    register = options(
        b"Contact: *\r\n", start=b"REGISTER sip:h SIP/2.0\r\n", head=HEAD.replace(b"OPTIONS", b"REGISTER")
    )
    assert accepted(register).contact_is_star
    assert accepted(register).contacts == ()
    assert refused(register.replace(b"Contact: *", b"Contact: *, <sip:a>")).status == 400
    assert refused(register.replace(b"Contact: *", b"Contact: *\r\nm: *")).status == 400


def test_the_method_of_cseq_must_be_that_of_the_request():
    # RFC 4475 sections 3.1.2.17 and 3.1.2.18
    assert refused(options(head=HEAD.replace(b"1 OPTIONS", b"1 INVITE"))).status == 400
    assert refused(options(start=b"NEWMETHOD sip:h SIP/2.0\r\n")).status == 501


def test_a_branch_that_is_only_the_magic_cookie_is_refused():
    # RFC 4475 section 3.2.1
    assert refused(options(head=HEAD.replace(b"z9hG4bK1", b"z9hG4bK"))).reason == "Via branch is only the magic cookie"


def test_a_request_of_rfc_2543_has_no_branch_no_tag_and_no_hop_limit():
    request = accepted(options(head=HEAD.replace(b";branch=z9hG4bK1", b"").replace(b";tag=a", b"")))
    assert (request.via.branch, request.from_.tag, request.max_forwards) == (None, None, None)


def test_values_of_one_line_and_of_several_are_one_list_in_order():
    request = accepted(
        options(b"Route: <sip:a;lr>, <sip:b;lr>\r\nRoute: <sip:c;lr>\r\nVia: SIP/2.0/TCP x, SIP/2.0/TLS y\r\n")
    )
    assert [hop.uri.host for hop in request.routes] == ["a", "b", "c"]
    assert [via.transport for via in request.vias] == ["UDP", "TCP", "TLS"]


# -- answers


def test_the_answer_has_a_tag_that_stays_the_same_when_the_request_comes_again():
    first, again = refused(options(b"Expires: x\r\n")), refused(options(b"Expires: x\r\n"))
    assert first.reply is not None
    assert first.reply.to.tag
    assert first.reply == again.reply


def test_nobody_answers_an_ack_or_a_response():
    ack = options(b"Expires: x\r\n", start=b"ACK sip:h SIP/2.0\r\n", head=HEAD.replace(b"OPTIONS", b"ACK"))
    assert refused(ack).reply is None
    assert refused(options(b"Expires: x\r\n", start=b"SIP/2.0 200 OK\r\n")).reply is None


# -- bodies


def test_without_content_length_the_body_runs_to_the_end_of_the_datagram():
    assert accepted(options(body=b"abc\r\n\r\n")).body == b"abc\r\n\r\n"


def test_the_message_does_not_keep_content_length_beside_its_body():
    request = accepted(options(b"l: 2\r\n", body=b"abc"))
    assert request.body == b"ab"
    assert "Content-Length" not in request.headers


def test_a_body_shorter_than_content_length_is_refused():
    assert refused(options(b"l: 4\r\n", body=b"abc")).reason == "Content-Length is larger than the datagram"


# -- limits


@pytest.mark.parametrize(
    ("more", "limits", "status"),
    [
        (b"Subject: " + b"x" * 500 + b"\r\n", Limits(headers=400), 400),
        (b"l: 11\r\n", Limits(body=10), 413),
        (b"", Limits(body=9), 413),
        (b"a: b\r\n", Limits(lines=6), 400),
        (b"P: 1\r\nP: 2\r\nP: 3\r\n", Limits(lines_of_one_kind=2), 400),
        (b"Via: SIP/2.0/UDP a, SIP/2.0/UDP b\r\n", Limits(vias=2), 400),
        (b"Via: SIP/2.0/UDP a\r\nVia: SIP/2.0/UDP b\r\n", Limits(vias=2), 400),
        (b"Route: <sip:a>, <sip:b>\r\n", Limits(routes=1), 400),
        (b"Record-Route: <sip:a>, <sip:b>\r\n", Limits(routes=1), 400),
        (b"Contact: <sip:a>, <sip:b>\r\nContact: <sip:c>\r\n", Limits(contacts=2), 400),
    ],
)
def test_a_message_beyond_a_limit_is_refused_and_answered(more, limits, status):
    data = options(more, body=b"0123456789")
    error = refused(data, limits)
    assert error.status == status
    assert error.reply is not None
    assert isinstance(parse(data.replace(b"l: 11", b"l: 10")), Request)


# The growth families of reliability: each fills a datagram with one thing. Linear time is measured in benchmarks/.
FAMILIES = {
    "folded lines": b"Subject: x" + b"\r\n x" * 16000 + b"\r\n",
    "empty folds": b"Subject: x" + b"\r\n " * 20000 + b"\r\n",
    "lines of different names": b"".join(b"x%d: y\r\n" % number for number in range(6000)),
    "lines without a name": b"x\r\n" * 20000,
    "via lines": b"Via: SIP/2.0/UDP h\r\n" * 3000,
    "via values": b"Via: " + b", ".join([b"SIP/2.0/UDP h"] * 4000) + b"\r\n",
    "via commas": b"Via: " + b"," * 60000 + b"\r\n",
    "contacts": b"Contact: " + b",".join([b"<sip:h>"] * 7500) + b"\r\n",
    "semicolons": b"Contact: <sip:h>" + b";" * 60000 + b"\r\n",
    "field parameters": b"Contact: <sip:h>" + b"".join(b";p%d" % number for number in range(9000)) + b"\r\n",
    "uri parameters": b"Contact: <sip:h" + b";p" * 30000 + b">\r\n",
    "uri headers": b"Contact: <sip:h?" + b"a=b&" * 15000 + b">\r\n",
    "parentheses": b"User-Agent: " + b"(" * 60000 + b"\r\n",
    "angle brackets": b"Contact: " + b"<" * 60000 + b"\r\n",
    "angle brackets in a list": b"Contact: ," + b"<" * 60000 + b"\r\n",
    "escapes": b"Contact: <sip:" + b"%25" * 20000 + b"@h>\r\n",
    "quoted pairs": b'Contact: "' + b"\\\\" * 30000 + b'" <sip:h>\r\n',
    "an open quote": b'Contact: "' + b"\\\\" * 30000 + b"\r\n",
    "quotes": b"Contact: " + b'"' * 60000 + b"\r\n",
    "white space": b"Contact: <sip:h>" + b" " * 60000 + b";x\r\n",
    "white space in parameters": b"Contact: <sip:h>" + b" ; x" * 15000 + b"\r\n",
    "a long number": b"Expires: " + b"9" * 60000 + b"\r\n",
    "zeros": b"Expires: " + b"0" * 60000 + b"\r\n",
    "a long host": b"Contact: <sip:" + b"a." * 30000 + b">\r\n",
    "colons": b"Contact: <sip:[" + b":" * 60000 + b"]>\r\n",
    "tokens": b"Supported: " + b"a," * 30000 + b"a\r\n",
    "token commas": b"Supported: " + b"," * 60000 + b"\r\n",
    "a long name": b"x" * 60000 + b": y\r\n",
    "a long first line": b"",
    "no empty line": b"Subject: " + b"x" * 60000,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_datagram_full_of_one_thing_is_accepted_or_refused(family):
    start = b"OPTIONS sip:" + b"a" * 60000 + b" SIP/2.0\r\n" if family == "a long first line" else START
    data = options(FAMILIES[family], start=start)
    assert len(data) <= 65507
    message = parse(data)
    if isinstance(message, ParseError):
        assert message.reply is not None
        message.reply.encode()
    else:
        read_everything(message)
        message.encode()


# -- what real phones sent

SHARED = Path(os.environ.get("SOFTSWITCH_SHARED") or Path(__file__).resolve().parents[3] / "shared")
SAMPLES = SHARED / "data" / "sip-samples"
# Broken on purpose, cut when they were saved, or with a CR too many: refused, and each for the right reason.
BROKEN = {
    "bad_uri": "missing Via header field",
    "bad_via1": "missing From header field",
    "bad_via2": "malformed start line",
    "bad_via3": "malformed start line",
    "inv_srv": "missing To header field",
    "invite1": "missing To header field",
    "invite3-callid": "missing Call-ID header field",
    "invite4-cseq": "malformed CSeq",
    "invite5-callid": "header line without a name",
    "message": "Content-Length is larger than the datagram",
    "message02": "Content-Length is larger than the datagram",
    "ms-invite-00-rpl": "header section without an empty line at its end",
    "no_eom_reply": "header section without an empty line at its end",
    "register04": "To: URI without a scheme",
    "req-test1": "malformed start line",
    "req-tm1": "malformed start line",
    "req1": "Request-URI with header fields",
    "req2": "Request-URI with header fields",
    "rport": "Content-Length is larger than the datagram",
    "sg": "CR or LF alone in the header section",
    "short_nonce": "header section without an empty line at its end",
    "short_reply": "missing From header field",
}


def test_messages_of_real_phones_are_accepted_and_the_broken_ones_refused_for_the_right_reason():
    if not SAMPLES.is_dir():
        pytest.skip(f"no SIP samples in {SAMPLES} (SOFTSWITCH_SHARED says where they are)")
    files = sorted(SAMPLES.rglob("*.sip"))
    assert len(files) == 55
    for file in files:
        raw = file.read_bytes()
        parse(raw)
        # Most were saved with bare line feeds.
        message = parse(raw if b"\r\n" in raw else raw.replace(b"\n", b"\r\n"))
        if file.stem in BROKEN:
            assert isinstance(message, ParseError)
            assert message.reason == BROKEN[file.stem]
        else:
            assert not isinstance(message, ParseError), file.name
            read_everything(message)
            assert parse(message.encode()) == message
