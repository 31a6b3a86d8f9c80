"""Offer and answer by themselves (RFC 3264)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from softswitch.sip.offers import OfferAnswer
from tests.sip.network import sdp

MINE, YOURS = sdp("192.0.2.1", 4000), sdp("192.0.2.2", 5000)


def test_an_exchange_puts_both_descriptions_in_force() -> None:
    offers = OfferAnswer()
    offers.offer(MINE)
    assert (offers.local_offer, offers.established) == (True, False)
    offers.answered(YOURS)
    assert (offers.stable, offers.local, offers.remote) == (True, MINE, YOURS)


def test_a_refused_exchange_changes_nothing() -> None:
    offers = OfferAnswer()
    offers.offered(YOURS)
    offers.answer(MINE)
    offers.offer(sdp("192.0.2.1", 4002))
    offers.refused()
    assert (offers.stable, offers.local, offers.remote) == (True, MINE, YOURS)


def test_a_preview_completes_nothing_and_its_repetition_keeps_the_version() -> None:
    offers = OfferAnswer()
    offers.offered(YOURS)
    assert offers.preview(MINE).origin.version == "1"
    assert offers.remote_offer
    assert offers.answer(MINE).origin.version == "1"


def test_the_version_rises_with_each_change_and_the_session_id_stays() -> None:
    offers = OfferAnswer()
    offers.offer(MINE)
    offers.answered(YOURS)
    other = sdp("192.0.2.9", 4444, version=99)
    sent = offers.offer(other)
    assert (sent.origin.session_id, sent.origin.version, sent.media) == (MINE.origin.session_id, "2", other.media)


def test_forks_do_not_see_each_other_s_answers() -> None:
    offers = OfferAnswer()
    offers.offer(MINE)
    one, two = offers.fork(), offers.fork()
    one.answered(YOURS)
    assert two.local_offer
    assert offers.local_offer


class Exchanges(RuleBasedStateMachine):
    """Any legal order of exchanges: never two open at once, and versions never fall."""

    def __init__(self) -> None:
        super().__init__()
        self.offers = OfferAnswer()
        self.versions = [0]
        self.in_force: tuple[object, object] = (None, None)

    ports = st.integers(1, 5)

    @precondition(lambda self: self.offers.stable)
    @rule(port=ports)
    def we_offer(self, port: int) -> None:
        self.versions.append(int(self.offers.offer(sdp("192.0.2.1", port)).origin.version))

    @precondition(lambda self: self.offers.stable)
    @rule(port=ports)
    def they_offer(self, port: int) -> None:
        self.offers.offered(sdp("192.0.2.2", port))

    @precondition(lambda self: self.offers.local_offer)
    @rule(port=ports)
    def they_answer(self, port: int) -> None:
        self.offers.answered(sdp("192.0.2.2", port))
        self.in_force = (self.offers.local, self.offers.remote)

    @precondition(lambda self: self.offers.remote_offer)
    @rule(port=ports)
    def we_answer(self, port: int) -> None:
        self.versions.append(int(self.offers.answer(sdp("192.0.2.1", port)).origin.version))
        self.in_force = (self.offers.local, self.offers.remote)

    @rule()
    def it_is_refused(self) -> None:
        self.offers.refused()

    @invariant()
    def what_is_in_force_changes_only_by_an_answer(self) -> None:
        assert (self.offers.local, self.offers.remote) == self.in_force

    @invariant()
    def versions_never_fall(self) -> None:
        assert self.versions == sorted(self.versions)


TestExchanges = Exchanges.TestCase
TestExchanges.settings = settings(stateful_step_count=20)
