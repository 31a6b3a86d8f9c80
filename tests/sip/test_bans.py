"""Guessing of passwords: who is banned, who never is, and how it ends."""

from __future__ import annotations

import pytest

from softswitch.sip.bans import GUESSES, LASTS, MOST, WITHIN, Bans
from tests.sim.office import VirtualOffice

ATTACKER = "10.9.9.9"


# The count ------------------------------------------------------------------------------------------------------------


def test_ten_bad_answers_within_a_minute_are_one_too_many():
    bans = Bans()
    assert [bans.guessed("s", "101", float(n)) for n in range(10)] == [False] * 9 + [True]


def test_bad_answers_of_a_phone_with_an_old_password_are_not():
    # It tries every 30 s: two within a minute, whatever their number.
    bans = Bans()
    assert not any(bans.guessed("s", "101", 30.0 * n) for n in range(100))


def test_ten_bad_answers_count_from_the_first_of_the_last_ten():
    bans = Bans()
    assert not any(bans.guessed("s", "101", at) for at in (0.0, *(WITHIN + 1 + n for n in range(8))))
    assert bans.guessed("s", "101", WITHIN + 9) is False  # ten with the first, which is 69 s old
    assert bans.guessed("s", "101", WITHIN + 10) is True


def test_a_ban_is_for_one_source_and_one_account():
    bans = Bans()
    bans.add("s", "101", 0.0)
    assert bans.holds("s", "101", 1.0)
    assert not bans.holds("s", "102", 1.0)
    assert not bans.holds("t", "101", 1.0)
    assert not bans.holds("s", "101", LASTS)
    assert bans.all(LASTS) == []


@pytest.mark.parametrize(
    ("source", "account", "left"),
    [("s", None, {("t", "101")}), (None, "101", {("s", "102")}), ("s", "101", {("s", "102"), ("t", "101")})],
)
def test_bans_are_lifted_by_source_by_account_or_both(source: str | None, account: str | None, left: set[object]):
    bans = Bans()
    for pair in (("s", "101"), ("s", "102"), ("t", "101")):
        bans.add(*pair, 0.0)
    bans.lift(source, account, 1.0)
    assert {(ban.source, ban.account) for ban in bans.all(1.0)} == left


def test_invented_names_cost_bounded_memory():
    bans = Bans()
    for n in range(3 * MOST):
        bans.guessed("s", f"{n}" * 30, 0.0)
        bans.add("s", f"{n}", 0.0)
    assert len(bans) == 2 * MOST


# The endpoint ---------------------------------------------------------------------------------------------------------


def guess(office: VirtualOffice, phone, times: int) -> list[int | None]:
    """Register again and again; each try of this telephone is a challenge and a bad answer to it."""
    answers = []
    for _ in range(times):
        phone.register()
        office.run(1.0)
        answers.append(phone.status)
    return answers


def test_a_guesser_is_refused_after_ten_guesses_even_with_the_right_password():
    office = VirtualOffice()
    guesser = office.phone("101", host=ATTACKER, registered=False, password="guess")
    assert guess(office, guesser, GUESSES) == [401] * GUESSES
    (ban,) = office.endpoint.bans(office.now)
    assert (ban.source, ban.account) == (ATTACKER, "101")
    guesser.password = "secret-101"
    assert guess(office, guesser, 1) == [403]
    office.run(LASTS)
    assert guess(office, guesser, 1) == [200]


def test_a_lifted_ban_lets_the_phone_in():
    office = VirtualOffice()
    phone = office.phone("101", registered=False, password="typo")
    guess(office, phone, GUESSES)
    assert len(office.endpoint.unban(phone.host, None, office.now)) == 1
    phone.password = "secret-101"
    assert guess(office, phone, 1) == [200]


def test_an_unknown_account_is_banned_like_a_known_one():
    office = VirtualOffice()
    guesser = office.phone("999", host=ATTACKER, registered=False, password="guess")
    assert guess(office, guesser, GUESSES + 1) == [401] * GUESSES + [403]


def test_the_real_phone_is_not_locked_out_by_a_guesser_elsewhere():
    office = VirtualOffice()
    guesser = office.phone("101", host=ATTACKER, registered=False, password="guess")
    guess(office, guesser, GUESSES + 1)
    assert office.phone("101").status is None  # it registered: the office asserts a 200


def test_an_address_with_a_healthy_registration_is_never_banned():
    # Behind one NAT: a phone that works, and another whose password is wrong.
    office = VirtualOffice()
    good = office.phone("102")
    office.phones.pop(good.host)
    wrong = office.phone("101", host=good.host, registered=False, password="typo")
    assert guess(office, wrong, 3 * GUESSES) == [401] * 3 * GUESSES
    assert office.endpoint.bans(office.now) == []


def test_the_ban_is_told():
    office = VirtualOffice()
    guesser = office.phone("101", host=ATTACKER, registered=False, password="guess")
    guess(office, guesser, GUESSES)
    told = [event for event in office.events if type(event).__name__ == "AccountBanned"]
    assert [(event.source, event.account, event.seconds) for event in told] == [(ATTACKER, "101", LASTS)]
