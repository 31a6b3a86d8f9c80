"""The message memory: what is kept, what is forgotten, what is never shown."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.events import Destination, Flow
from softswitch.sip.trace import Entry, Trace, call_id_of, masked

FLOW = Flow("udp", ("192.0.2.10", 5060), ("192.0.2.1", 5060))
TRUNK = Destination("udp", "trunk.example", 5060)


def message(call_id: str = "one", start: str = "OPTIONS sip:office.example SIP/2.0", extra: str = "") -> bytes:
    return f"{start}\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nCall-ID: {call_id}\r\n{extra}\r\n".encode()


def test_ladder_shows_the_messages_of_several_calls_in_the_order_they_passed() -> None:
    trace = Trace()
    trace.record(1.0, FLOW, message("a"), False)
    trace.record(1.1, TRUNK, message("b"), True)
    trace.record(1.0, FLOW, message("a", "SIP/2.0 200 OK"), True)  # the clock may stand still
    trace.record(1.2, FLOW, message("c"), False)
    assert [(entry.at, entry.way, entry.sent, entry.call_id, entry.summary) for entry in trace.ladder(["b", "a"])] == [
        (1.0, FLOW, False, "a", "OPTIONS sip:office.example"),
        (1.1, TRUNK, True, "b", "OPTIONS sip:office.example"),
        (1.0, FLOW, True, "a", "200 OK"),
    ]


def test_unknown_call_has_an_empty_ladder() -> None:
    assert Trace().ladder(["nobody"]) == []


def test_call_asked_for_twice_is_shown_once() -> None:
    trace = Trace()
    trace.record(1.0, FLOW, message("a"), False)
    assert len(trace.ladder(["a", "a"])) == 1


def test_only_the_last_messages_of_a_call_are_kept() -> None:
    trace = Trace(messages=3)
    for n in range(10):
        trace.record(float(n), FLOW, message("a", f"SIP/2.0 {200 + n} x"), False)
    assert [entry.summary for entry in trace.ladder(["a"])] == ["207 x", "208 x", "209 x"]


def test_call_that_was_silent_longest_is_forgotten_first() -> None:
    trace = Trace(calls=2)
    for call_id in ("a", "b", "a", "c"):
        trace.record(0.0, FLOW, message(call_id), False)
    assert [len(trace.ladder([call_id])) for call_id in "abc"] == [2, 0, 1]


def test_bytes_are_bounded() -> None:
    trace = Trace(limit=10_000)
    for n in range(100):
        trace.record(0.0, FLOW, message(str(n), extra="X: " + "x" * 900 + "\r\n"), False)
    assert trace.held <= 10_000
    assert len(trace) == 10


def test_forgotten_call_frees_its_bytes() -> None:
    trace = Trace()
    trace.record(0.0, FLOW, message("a"), False)
    trace.forget("a")
    trace.forget("a")
    assert (len(trace), trace.held) == (0, 0)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 50)), max_size=60))
def test_held_is_the_sum_of_what_is_kept(steps: list[tuple[str, int]]) -> None:
    trace = Trace(calls=3, messages=4, limit=700)
    for call_id, size in steps:
        trace.record(0.0, FLOW, message(call_id, extra="x" * size), False)
    kept = trace.ladder("abcde")
    assert trace.held == sum(len(entry.text.encode()) for entry in kept)
    assert len(trace) <= 3
    assert all(len(trace.ladder([call_id])) <= 4 for call_id in "abcde")


@pytest.mark.parametrize(
    "line",
    ["\r\nCall-ID: one@host\r\n", "\r\ni:one@host\r\n", "\r\ncall-id :  one@host \r\n", "\nCALL-ID:one@host\n"],
)
def test_call_id_is_found_however_it_is_written(line: str) -> None:
    assert call_id_of(b"OPTIONS sip:a SIP/2.0" + line.encode() + b"\r\n") == "one@host"


def test_message_without_call_id_belongs_to_the_nameless_call() -> None:
    trace = Trace()
    trace.record(0.0, FLOW, b"\x00\xff garbage", False)
    assert [entry.call_id for entry in trace.ladder([""])] == [""]


def test_what_the_caller_names_is_not_looked_for() -> None:
    trace = Trace()
    trace.record(0.0, FLOW, message("inside"), False, call_id="outside")
    assert len(trace.ladder(["outside"])) == 1


class TestMasking:
    @pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization", "AUTHORIZATION", "authorization "])
    def test_digest_values_are_masked_and_names_are_shown(self, name: str) -> None:
        line = (
            f'{name}: Digest username="101",realm="office", nonce="n0nce", uri="sip:office", '
            'response="r3sponse" , cnonce=cn0nce, opaque="0paque", nc=00000001, qop=auth'
        )
        shown = masked(message(extra=line + "\r\n"))
        assert [word in shown for word in ("n0nce", "r3sponse", "cn0nce", "0paque")] == [False] * 4
        assert 'username="101",realm="office", nonce="***", uri="sip:office"' in shown

    @pytest.mark.parametrize("body", ["Signal=4\r\nDuration=160\r\n", "Duration=160\r\nSignal= 4\r\n", "4", "4\r\n"])
    def test_a_key_told_by_info_is_not_shown(self, body: str) -> None:
        request = message(start="INFO sip:1@office.example SIP/2.0") + body.encode()
        shown = masked(request).partition("\r\n\r\n")[2]
        assert shown.strip() == body.strip().replace("4", "***")

    def test_folded_credentials_are_masked(self) -> None:
        line = 'Authorization:\r\n Digest username="101",\r\n\tresponse=\r\n "r3sponse"\r\n'
        assert "r3sponse" not in masked(message(extra=line))

    def test_other_schemes_are_masked_whole(self) -> None:
        assert "Authorization: Basic ***\r\n" in masked(message(extra="Authorization: Basic MTAxOnNlY3JldA==\r\n"))

    def test_challenges_are_shown(self) -> None:
        line = 'WWW-Authenticate: Digest realm="office", nonce="n0nce"\r\n'
        assert line in masked(message(extra=line))

    def test_media_keys_are_masked(self) -> None:
        shown = masked(message(extra="\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0a2V5|2^20|1:32\r\n"))
        assert "inline:***|2^20|1:32" in shown

    def test_quotes_inside_values_do_not_end_the_mask(self) -> None:
        line = 'Authorization: Digest response="r3s\\"ponse", username="101"\r\n'
        assert 'ponse"' not in masked(message(extra=line))

    @given(st.binary(max_size=300))
    def test_any_bytes_can_be_shown(self, data: bytes) -> None:
        assert isinstance(masked(data), str)
        assert isinstance(call_id_of(data), str)


def test_summary_of_an_empty_message_is_empty() -> None:
    assert Entry(0.0, FLOW, True, "", "").summary == ""


def test_entries_keep_their_order_under_equal_times() -> None:
    trace = Trace()
    for n in range(50):
        trace.record(0.0, FLOW, message(str(n % 3), f"SIP/2.0 {200 + n} x"), bool(n % 2))
    ladder = trace.ladder("012")
    assert all(a.summary < b.summary for a, b in pairwise(ladder))
