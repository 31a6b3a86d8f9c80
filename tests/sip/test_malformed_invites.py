"""More than two thousand malformed INVITEs against an endpoint; a prober looks after each whether it still works."""

from __future__ import annotations

import pytest

from softswitch.ids import Ids
from softswitch.sip.endpoint import Endpoint
from softswitch.sip.events import Flow, Incoming, Output, PutOnWire, Reject
from softswitch.sip.settings import SipSettings
from tests.sip.network import ALICE, BOB, Rights
from tests.sip.test_torture_endpoint import probe, statuses
from tests.torture.invites import ANOMALIES, ELEMENTS, cases, good

UDP = Flow("udp", ALICE, BOB)

SINGLE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type", "Content-Length", "Expires")


def endpoint(**trunks: str) -> Endpoint:
    return Endpoint(SipSettings(domain="office.example"), Ids(3), Rights(trunks=trunks))


def answered(outputs: list[Output]) -> list[int]:
    return statuses([output for output in outputs if isinstance(output, PutOnWire)])


def test_there_are_more_cases_than_were_asked_for():
    assert len(ELEMENTS) * len(ANOMALIES) > 2500


def test_the_invite_that_is_broken_is_a_good_one():
    outputs = endpoint(**{BOB[0]: "provider"}).receive(good(1), UDP, 0.0)
    assert answered(outputs) == [100]
    (incoming,) = [output for output in outputs if isinstance(output, Incoming)]
    assert incoming.offer is not None


@pytest.mark.parametrize("element", ELEMENTS)
def test_a_stranger_gets_one_answer_or_none_and_leaves_nothing_behind(element: str):
    switch = endpoint()
    for case in cases(element):
        outputs = switch.receive(case.data, UDP, 0.0)
        answers = statuses(outputs)
        assert len(answers) <= 1, case[:2]
        assert all(400 <= status < 700 for status in answers), case[:2]
        # Nobody can be made a bigger echo of: at most what came, and what a challenge needs.
        assert sum(len(out.data) for out in outputs if isinstance(out, PutOnWire)) <= len(case.data) + 500
        assert (len(switch), switch.deadline) == (0, None), case[:2]
        probe(switch)


@pytest.mark.parametrize("element", ELEMENTS)
def test_of_a_trunk_too_each_case_becomes_a_call_or_a_refusal_and_ends(element: str):
    switch = endpoint(**{BOB[0]: "provider"})
    now = 0.0
    for case in cases(element):
        outputs = switch.receive(case.data, UDP, now)
        assert len(answered(outputs)) <= 1, case[:2]
        for incoming in (output for output in outputs if isinstance(output, Incoming)):
            assert answered(switch.command(incoming.session, Reject(status=480), now)) == [480], case[:2]
        probe(switch)
    while (at := switch.deadline) is not None and now < 1000.0:
        now = max(now, at)
        switch.tick(now)
    assert (len(switch), switch.deadline) == (0, None)
    assert answered(switch.receive(good(1), UDP, now)) == [100]


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_second_field_that_may_stand_once_only_is_refused(name: str, place: str):
    lines = good(1).split(b"\r\n")
    at = next(index for index, line in enumerate(lines) if line.startswith(name.encode() + b":"))
    lines.insert(at if place == "before" else lines.index(b""), lines[at])
    assert statuses(endpoint().receive(b"\r\n".join(lines), UDP, 0.0)) == [400]
