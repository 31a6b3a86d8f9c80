"""RFC 4475 and RFC 5118: every message does what tests/torture/expected.toml says, as a datagram and as a stream.

The parser's part is: refuse, drop, or accept with the right values. What an
endpoint answers to a message that is well formed is tested with the endpoint.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from softswitch.sip import sdp
from softswitch.sip.framing import StreamFramer
from softswitch.sip.headers import NameAddr, Via
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import ParseError, parse

FOLDER = Path(__file__).resolve().parents[1] / "torture"
EXPECTED = tomllib.loads((FOLDER / "expected.toml").read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in EXPECTED["message"]}
Message = Request | Response


def wire(case: dict[str, Any]) -> bytes:
    return (FOLDER / case.get("wire", case["file"])).read_bytes()


def refused_by_parser(case: dict[str, Any]) -> bool:
    """Whether the fault is one of the message itself, and not what an endpoint thinks of a good one."""
    return case["ours"] != "accept" and (case["syntax"] == "invalid" or case["layer"] == "transaction")


def params(value: NameAddr) -> dict[str, str]:
    return {name: text or "" for name, text in value.params}


def via(index: int) -> Callable[[Message], dict[str, Any]]:
    def read(message: Message) -> dict[str, Any]:
        hop: Via = message.vias[index]
        return {
            "transport": hop.transport,
            "host": hop.host,
            "port": hop.port,
            "branch": hop.branch,
            "received": hop.received,
            "rport": True if hop.rport == 0 else hop.rport,
        }

    return read


def description(message: Message) -> sdp.SessionDescription:
    parsed = sdp.parse(message.body)
    assert isinstance(parsed, sdp.SessionDescription)
    return parsed


def connections(message: Message) -> list[str]:
    session = description(message)
    found = [session.connection_of(media) for media in session.media]
    return [connection.address for connection in found if connection is not None]


def media(message: Message) -> list[str]:
    return [" ".join([one.kind, str(one.port), one.protocol, *one.formats]) for one in description(message).media]


READ: dict[str, Callable[[Any], object]] = {
    "method": lambda m: m.method,
    "status": lambda m: m.status,
    "reason": lambda m: m.reason,
    "ruri": lambda m: str(m.uri),
    "ruri_scheme": lambda m: m.uri.scheme,
    "ruri_user": lambda m: m.uri.user,
    "ruri_password": lambda m: m.uri.password,
    "ruri_host": lambda m: m.uri.host,
    "ruri_port": lambda m: m.uri.port or 0,
    "to_uri": lambda m: str(m.to.uri),
    "to_user": lambda m: m.to.uri.user,
    "to_tag": lambda m: m.to.tag,
    "to_display": lambda m: m.to.display,
    "to_host_port": lambda m: m.to.uri.port,
    "from_uri": lambda m: str(m.from_.uri),
    "from_user": lambda m: m.from_.uri.user,
    "from_tag": lambda m: m.from_.tag or "",
    "from_display": lambda m: m.from_.display,
    "call_id": lambda m: m.call_id,
    "cseq": lambda m: m.cseq.number,
    "cseq_method": lambda m: m.cseq.method,
    "max_forwards": lambda m: m.max_forwards,
    "via_count": lambda m: len(m.vias),
    "via0": via(0),
    "via1": via(1),
    "via2": via(2),
    "via_last_host": lambda m: m.vias[-1].host,
    "via_last_received": lambda m: m.vias[-1].received,
    "via_transports": lambda m: [hop.transport for hop in m.vias],
    "via_hosts": lambda m: [hop.host for hop in m.vias],
    "route": lambda m: m.headers.all("Route"),
    "subject": lambda m: m.headers.get("Subject"),
    "newfangledheader": lambda m: m.headers.get("NewFangledHeader"),
    "unknownheaderwithunusualvalue": lambda m: m.headers.get("UnknownHeaderWithUnusualValue"),
    "contact_count": lambda m: len(m.contacts),
    "contact_users": lambda m: [contact.uri.user for contact in m.contacts],
    "contact_uri": lambda m: str(m.contacts[0].uri),
    "contact_user": lambda m: m.contacts[0].uri.user,
    "contact_host": lambda m: m.contacts[0].uri.host,
    "contact_display": lambda m: m.contacts[0].display,
    "contact_q": lambda m: float(m.contacts[0].param("q")),
    "contact_params": lambda m: params(m.contacts[0]),
    "contact_uri_params": lambda m: params(m.contacts[0].uri),
    "content_type": lambda m: m.content_type,
    "boundary": lambda m: m.media_type.param("boundary"),
    "parts": lambda m: len(m.parts),
    "part_types": lambda m: [part.content_type.name for part in m.parts],
    # The message keeps its body and no second opinion about its length.
    "content_length": lambda m: len(m.body),
    "body_length": lambda m: len(m.body),
    "accept_count": lambda m: len(m.accept),
    "date": lambda m: m.date.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "sdp_origin_address": lambda m: description(m).origin.connection.address,
    "sdp_connection": lambda m: description(m).connection.address,
    "sdp_addrtype": lambda m: description(m).connection.family,
    "sdp_media": media,
    "sdp_media_connections": connections,
}


def check_values(message: Message, case: dict[str, Any], data: bytes) -> None:
    values = dict(case.get("parsed", {}))
    if "reason_starts" in values:
        assert isinstance(message, Response)
        assert message.reason.startswith(values.pop("reason_starts"))
        assert values.pop("reason_is_utf8")
        assert message.reason.endswith(" - простое")
    if "trailing_octets" in values:
        assert parse(data[: -values.pop("trailing_octets")]) == message
    for name, value in values.items():
        seen = READ[name](message)
        if name.startswith("via") and isinstance(seen, dict):
            seen = {part: seen[part] for part in value}
        assert seen == value, name


def test_all_61_messages_are_there_with_the_bytes_of_the_rfcs():
    assert len(CASES) == EXPECTED["rfc4475_count"] + EXPECTED["rfc5118_count"] == 61
    assert wire(CASES["wsinv"]).count(b"\r\n") == 37  # a checkout that changes line endings ruins all else
    assert b"\r" not in (FOLDER / "rfc5118/ipv6-good").read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_as_a_datagram(name):
    case = CASES[name]
    data = wire(case)
    message = parse(data)
    if not refused_by_parser(case):
        assert not isinstance(message, ParseError), message
        assert isinstance(message, Request if case["kind"] == "request" else Response)
        check_values(message, case, data)
        return
    assert isinstance(message, ParseError)
    if case["ours"] == "drop":
        assert message.reply is None
        return
    assert message.status == case["ours"]
    assert message.reply is not None
    assert message.reply.status == case["ours"]
    assert message.reply.encode().startswith(b"SIP/2.0 %d " % case["ours"])


def test_a_header_section_that_ends_without_an_empty_line_is_refused_for_that_and_then_for_its_names():
    # RFC 4475 section 3.1.2.15: the archived file lacks the empty line.
    raw = wire(CASES["baddn"])
    first, then = parse(raw), parse(raw + b"\r\n")
    assert isinstance(first, ParseError)
    assert isinstance(then, ParseError)
    assert first.reason == "header section without an empty line at its end"
    assert then.reason == "From: malformed address"
    assert (first.status, then.status) == (400, 400)


# Where a stream has no way to tell the end of the message.
LOST = {"ncl": 400, "mcl01": 400, "inv2543": 400}


@pytest.mark.parametrize("name", CASES)
def test_on_a_stream_cut_at_every_octet(name):
    case = CASES[name]
    data = wire(case) + (b"\r\n" if name == "baddn" else b"")
    expected = parse(data)
    for cut in range(len(data) + 1):
        framer = StreamFramer()
        items = framer.receive(data[:cut], 100.0) + framer.receive(data[cut:], 100.0)
        if name == "clerr":
            # It waits for the rest, holds no more than what came, and gives up in time.
            assert items == []
            assert framer.deadline == 110.0
            items = framer.tick(110.0)
            assert framer.closed
        if name in LOST:
            (error,) = items
            assert isinstance(error, ParseError)
            assert error.reply is not None
            assert error.reply.status == LOST[name]
            assert framer.closed
        elif name == "dblreq":
            assert [item.method for item in items if isinstance(item, Request)] == ["REGISTER", "INVITE"]
            assert items[0] == expected
        elif isinstance(expected, ParseError):
            assert isinstance(items[0], ParseError)
            assert items[0].status == expected.status
            assert (items[0].reply is None) == (expected.reply is None)
        else:
            assert items[0] == expected
            assert not framer.closed


@pytest.mark.parametrize("name", CASES)
def test_on_a_stream_octet_by_octet(name):
    data = wire(CASES[name]) + (b"\r\n" if name == "baddn" else b"")
    whole, slow = StreamFramer(), StreamFramer()
    assert [item for at in range(len(data)) for item in slow.receive(data[at : at + 1], 100.0)] == whole.receive(
        data, 100.0
    )
    assert (slow.closed, slow.deadline) == (whole.closed, whole.deadline)


@pytest.mark.parametrize(
    "file", [*sorted((FOLDER / "rfc5118").iterdir()), FOLDER / "rfc4475" / "test.dat"], ids=lambda file: file.name
)
def test_bytes_that_are_no_message_are_dropped(file):
    # The RFC's archive of IPv6 messages has bare line feeds; test.dat is in no section of RFC 4475.
    message = parse(file.read_bytes())
    assert isinstance(message, ParseError)
    assert message.reply is None
    StreamFramer().receive(file.read_bytes(), 100.0)


# -- what must never happen, where it is not said above


def test_an_escaped_header_name_is_not_that_header():
    message = parse(wire(CASES["esc02"]))
    assert isinstance(message, Request)
    assert message.headers.get("C%6Fntact") == "<sip:alias2@host2.example.com>"
    assert [contact.uri.user for contact in message.contacts] == ["alias1", "alias3"]


def test_the_utf8_of_an_unknown_header_is_unaltered():
    message = parse(wire(CASES["intmeth"]))
    assert isinstance(message, Request)
    name = "extensionHeader-!.%*+_`'~"
    assert wire(CASES["intmeth"]).count(f"{name}:{message.headers.get(name)}\r\n".encode()) == 1


def test_a_route_in_a_contact_or_request_uri_never_becomes_a_route():
    for name in ("regescrt", "regbadct", "escruri"):
        message = parse(wire(CASES[name]))
        if isinstance(message, Request):
            assert message.routes == ()
            assert message.contacts[0].uri.headers == (("Route", "<sip:sip.example.com>"),)


def test_the_answer_to_a_request_without_its_mandatory_fields_copies_what_there_is():
    message = parse(wire(CASES["insuf"]))
    assert isinstance(message, ParseError)
    assert message.reply is not None
    assert list(message.reply.headers.items()) == [
        ("Via", "SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf"),
        ("CSeq", "193942 INVITE"),
    ]


def test_a_huge_content_length_allocates_nothing():
    framer = StreamFramer()
    framer.receive(wire(CASES["clerr"]), 100.0)
    assert not framer.closed
    (error,) = framer.tick(110.0)
    assert isinstance(error, ParseError)
    assert error.reason == "body did not arrive in time"
