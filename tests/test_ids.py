from __future__ import annotations

from softswitch.ids import Ids


def test_a_seeded_source_repeats_itself():
    assert [Ids(7).token() for _ in range(3)] == [Ids(7).token()] * 3


def test_branches_carry_the_magic_cookie_of_rfc_3261():
    assert Ids(1).branch().startswith("z9hG4bK")


def test_unseeded_ids_do_not_repeat():
    ids = Ids()
    assert len({ids.conversation() for _ in range(10_000)}) == 10_000
