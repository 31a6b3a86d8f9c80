"""RFC 4475 and RFC 5118 against a whole endpoint: what it answers, and that it still answers afterwards."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from softswitch.ids import Ids
from softswitch.sip.endpoint import Endpoint
from softswitch.sip.events import Flow, Output, PutOnWire
from softswitch.sip.framing import KeepAlive, StreamFramer
from softswitch.sip.headers import Headers
from softswitch.sip.message import Request, Response
from softswitch.sip.parser import parse
from softswitch.sip.policy import Refusal
from softswitch.sip.registrar import Accepted, Registrar
from softswitch.sip.settings import SipSettings
from softswitch.sip.uri import Uri
from tests.sip.network import ALICE, BOB, Rights

FOLDER = Path(__file__).resolve().parents[1] / "torture"
EXPECTED = tomllib.loads((FOLDER / "expected.toml").read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in EXPECTED["message"]}

UDP, TCP = Flow("udp", ALICE, BOB), Flow("tcp", ALICE, BOB, 1)

# Statuses that an endpoint may answer to a good request of a stranger: it says nothing of the message's form.
FINE = {100, 200, 401, 481}

# On a stream the bytes after the message are waited for, or are a message of their own (``tcp`` of expected.toml).
STREAM_ANSWERS = {"baddn": [], "clerr": [], "dblreq": [401, 401], "inv2543": [400]}


def wire(case: dict[str, Any]) -> bytes:
    return (FOLDER / case.get("wire", case["file"])).read_bytes()


def endpoint(**trunks: str) -> Endpoint:
    return Endpoint(SipSettings(domain="office.example"), Ids(3), Rights(trunks=trunks))


def statuses(outputs: list[Output]) -> list[int]:
    found = []
    for output in outputs:
        assert isinstance(output, PutOnWire)
        # An answer echoes the fault of its request, so it is not parsed.
        status_line = re.match(rb"SIP/2\.0 ([1-6][0-9][0-9]) ", output.data)
        assert status_line is not None, f"not an answer: {output.data!r}"
        assert isinstance(output.to, Flow)
        assert output.to.remote[0] == BOB[0], "answers go to the address that asked, whatever Via says"
        found.append(int(status_line[1]))
    return found


def feed(switch: Endpoint, data: bytes, piece: int) -> list[Output]:
    framer = StreamFramer()
    outputs: list[Output] = []
    for at in range(0, len(data), piece):
        for message in framer.receive(data[at : at + piece], 0.0):
            if not isinstance(message, KeepAlive):
                outputs += switch.receive_message(message, TCP, 0.0)
    return outputs


def probe(switch: Endpoint) -> None:
    """An OPTIONS is answered 200."""
    headers = Headers()
    headers.add("Via", "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKprobe;rport")
    headers.add("From", "<sip:probe@192.0.2.2>;tag=1")
    headers.add("To", "<sip:office.example>")
    headers.add("Call-ID", "probe")
    headers.add("CSeq", "1 OPTIONS")
    headers.add("Max-Forwards", "70")
    outputs = switch.receive(Request("OPTIONS", Uri("sip", host="office.example"), headers).encode(), UDP, 0.0)
    assert statuses(outputs) == [200]


def check(case: dict[str, Any], answers: list[int]) -> None:
    ours = case["ours"]
    if ours == "drop" or case["kind"] == "response":
        assert answers == []
    elif ours == "accept":
        assert len(answers) == 1
        assert answers[0] in FINE
    else:
        assert answers == [ours]


@pytest.mark.parametrize("name", CASES)
def test_a_datagram_is_answered_as_expected(name: str) -> None:
    switch = endpoint()
    check(CASES[name], statuses(switch.receive(wire(CASES[name]), UDP, 0.0)))
    assert (len(switch), switch.deadline) == (0, None)
    probe(switch)


@pytest.mark.parametrize("piece", [1, 65536])
@pytest.mark.parametrize("name", CASES)
def test_a_stream_is_answered_as_expected(name: str, piece: int) -> None:
    switch = endpoint()
    answers = statuses(feed(switch, wire(CASES[name]), piece))
    if name in STREAM_ANSWERS:
        assert answers == STREAM_ANSWERS[name]
    else:
        check(CASES[name], answers)
    probe(switch)


@pytest.mark.parametrize("name", CASES)
def test_a_trunk_may_send_the_same(name: str) -> None:
    """From a trusted address the checks are the same, and what passes becomes a call or is refused for its content."""
    switch = endpoint(**{BOB[0]: "provider"})
    outputs = switch.receive(wire(CASES[name]), UDP, 0.0)
    answers = statuses([output for output in outputs if isinstance(output, PutOnWire)])
    if CASES[name]["ours"] not in ("accept", "drop"):
        assert answers == [CASES[name]["ours"]]
    else:
        assert len(answers) <= 1
    while switch.deadline is not None and switch.deadline < 100:
        switch.tick(switch.deadline)
    probe(switch)


@pytest.mark.parametrize("entry", sorted(path.name for path in (FOLDER / "rfc5118").iterdir()))
def test_the_archive_s_own_bytes_do_no_harm(entry: str) -> None:
    switch = endpoint()
    switch.receive((FOLDER / "rfc5118" / entry).read_bytes(), UDP, 0.0)
    probe(switch)


def answer_to(name: str) -> Response:
    output = endpoint().receive(wire(CASES[name]), UDP, 0.0)[0]
    assert isinstance(output, PutOnWire)
    answer = parse(output.data)
    assert isinstance(answer, Response)
    return answer


def test_bext01_names_the_extensions_that_a_user_agent_server_does_not_support() -> None:
    assert list(answer_to("bext01").unsupported) == CASES["bext01"]["answer_headers"]["unsupported_uas"]


def test_invut_is_told_which_bodies_are_accepted() -> None:
    assert list(answer_to("invut").accept) == CASES["invut"]["answer_headers"]["accept"]


def test_intmeth_is_told_which_methods_are_implemented() -> None:
    assert "INVITE" in answer_to("intmeth").allow


def test_inv2543_becomes_a_call_with_an_empty_remote_tag_once_it_has_a_contact() -> None:
    switch = endpoint(**{BOB[0]: "provider"})
    data = wire(CASES["inv2543"])
    assert statuses(switch.receive(data, UDP, 0.0)) == [400]
    with_contact = re.sub(rb"(Call-ID:)", rb"Contact: <sip:a@192.0.2.2>\r\n\1", data, count=1)
    outputs = switch.receive(with_contact.replace(b"CSeq: 56", b"CSeq: 57"), UDP, 0.0)
    assert [type(output).__name__ for output in outputs] == ["PutOnWire", "Incoming"]


def test_escnull_registers_the_whole_name_and_both_contacts() -> None:
    registrar = Registrar(SipSettings(domain="example.com"))
    request = parse(wire(CASES["escnull"]))
    assert isinstance(request, Request)
    assert isinstance(registrar.register("null-", request, UDP, 0.0, ()), Refusal)
    result = registrar.register("null-\0-null", request, UDP, 0.0, ())
    assert isinstance(result, Accepted)
    assert result.contacts == (
        "<sip:%00@host5.example.com>;expires=3600",
        "<sip:%00%00@host5.example.com>;expires=3600",
    )


@pytest.mark.parametrize(
    ("name", "contact"),
    [
        ("cparam01", "<sip:+19725552222@gw1.example.net>;expires=3600"),
        ("cparam02", "<sip:+19725552222@gw1.example.net;unknownparam>;expires=3600"),
        ("regescrt", "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>;expires=3600"),
    ],
)
def test_parameters_of_a_contact_are_kept_where_they_belong(name: str, contact: str) -> None:
    registrar = Registrar(SipSettings(domain="example.com"))
    request = parse(wire(CASES[name]))
    assert isinstance(request, Request)
    result = registrar.register(request.to.uri.user or "", request, UDP, 0.0, ())
    assert isinstance(result, Accepted)
    assert result.contacts == (contact,)


def test_a_flood_of_torture_leaves_nothing_behind() -> None:
    switch = endpoint()
    for _ in range(5):
        for case in CASES.values():
            switch.receive(wire(case), UDP, 0.0)
    assert (len(switch), switch.deadline, switch.describe()) == (0, None, [])
    probe(switch)
