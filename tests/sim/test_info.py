"""Keys reach whoever knows no telephone-event: told by INFO where that is taken, else as sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.sim.office import VirtualOffice, person
from tests.sim.phone import Phone

TAKES = "Accept: application/sdp, application/dtmf-relay"
LOW, HIGH = 770.0, 1336.0
"""Hz of the key 5."""


def talking(**boris: object) -> tuple[VirtualOffice, Phone, Phone]:
    office = VirtualOffice(sound=True)
    anna, callee = office.phone("101", tone=440), office.phone("102", tone=880, events=False, **boris)
    anna.call("102")
    office.run(3)
    return office, anna, callee


def sounded(phone: Phone) -> bool:
    return phone.hears(LOW, 0.4) > -30 and phone.hears(HIGH, 0.4) > -30


def test_who_has_no_events_and_says_nothing_of_info_hears_the_key():
    office, anna, boris = talking()
    anna.press("5")
    office.run(0.3)
    assert sounded(boris)
    assert boris.keys_told == []


def test_who_told_a_key_by_info_is_told_keys_so_and_hears_none_of_them():
    office, anna, boris = talking()
    boris.tell("9")
    office.run(1)
    assert anna.digits_heard == ["9"]
    for digit in "55#":
        anna.press(digit)
        office.run(0.3)
        assert not sounded(boris)
    office.run(1)
    assert boris.keys_told == ["5", "5", "#"]


def test_who_says_in_his_200_that_he_takes_keys_is_told_from_the_first_one():
    office, anna, boris = talking(accepts_with=(TAKES,))
    anna.press("5")
    office.run(1)
    assert boris.keys_told == ["5"]
    assert boris.last("INFO", request=True).body == b"Signal=5\r\nDuration=160\r\n"


def test_a_caller_who_says_in_his_invite_that_he_takes_keys_is_told_them():
    office = VirtualOffice(sound=True)
    accept = "Accept: application/sdp, application/dtmf"
    anna = office.phone("101", tone=440, events=False, headers=(accept,))
    boris = office.phone("102", tone=880)
    anna.call("102")
    office.run(3)
    boris.press("7")
    office.run(1)
    assert anna.keys_told == ["7"]
    assert anna.last("INFO", request=True)["content-type"] == "application/dtmf"


def test_who_takes_the_other_form_gets_the_key_again_in_that():
    office, anna, boris = talking(accepts_with=(TAKES,), info_forms=("application/dtmf",))
    for digit in "56":
        anna.press(digit)
        office.run(1)
    assert boris.keys_told == ["5", "6"]
    assert boris.count("INFO") == 3


@pytest.mark.parametrize("status", [405, 501, 603])
def test_who_refuses_info_after_all_hears_the_key_and_all_later_ones(status: int):
    office, anna, boris = talking(accepts_with=(TAKES,), info=status)
    anna.press("5")
    office.run(0.5)
    assert sounded(boris)
    office.run(1)
    assert not sounded(boris)
    anna.press("5")
    office.run(0.3)
    assert sounded(boris)
    assert boris.count("INFO") == 1
    assert boris.talking


def test_an_info_for_a_dialog_that_is_gone_ends_the_call():
    office, anna, boris = talking(accepts_with=(TAKES,), info=481)
    anna.press("5")
    office.run(2)
    assert anna.idle
    assert boris.idle


def test_keys_wait_for_each_other_and_come_in_order_though_one_is_lost():
    office, anna, boris = talking(accepts_with=(TAKES,))
    boris.deaf = True
    for digit in "123":
        anna.press(digit)
        office.run(0.3)
    boris.deaf = False
    office.run(3)
    assert boris.keys_told == ["1", "2", "3"]


def test_a_key_pressed_on_hold_reaches_nobody_in_any_form():
    office, anna, boris = talking(accepts_with=(TAKES,))
    anna.hold()
    office.run(1)
    boris.tell("1")
    anna.tell("2")
    office.run(1)
    anna.resume()
    office.run(1)
    assert (boris.keys_told, anna.digits_heard) == ([], [])
    anna.press("3")
    office.run(1)
    assert boris.keys_told == ["3"]


def test_a_person_with_digits_info_is_offered_no_events_and_told_each_key():
    office = VirtualOffice(sound=True, people=(person("102", digits="info"),))
    anna, boris = office.phone("101", tone=440), office.phone("102", tone=880)
    anna.call("102")
    office.run(3)
    assert b"telephone-event" not in boris.last("INVITE", request=True).body
    anna.press("5")
    boris.tell("6")
    office.run(1)
    assert boris.keys_told == ["5"]
    assert boris.digits_heard == []
    assert anna.digits_heard == ["6"]


def test_a_trunk_with_digits_sound_hears_each_key_whatever_it_says():
    office = VirtualOffice(sound=True)
    trunks = {name: replace(one, digits="sound") for name, one in office.office.plan.trunks.items()}
    office.reload(plan=replace(office.office.plan, trunks=trunks))
    anna = office.phone("101", tone=440)
    provider = office.provider(tone=880, accepts_with=(TAKES,))
    anna.call("+79161234567")
    office.run(3)
    provider.tell("1")
    office.run(1)
    anna.press("5")
    office.run(0.3)
    assert sounded(provider)
    assert provider.keys_told == []


def test_a_key_that_comes_as_sound_is_silenced_for_who_is_told_of_it():
    office = VirtualOffice(sound=True)
    anna = office.phone("101", tone=440, events=False)
    boris = office.phone("102", tone=880, events=False, accepts_with=(TAKES,))
    anna.call("102")
    office.run(3)
    for digit in "55":
        anna.sound(digit)
        office.run(0.4)
    office.run(1)
    assert boris.keys_told == ["5", "5"]
    # Of the 100 ms of each key 40 pass until it is known for one; then it is silence.
    frames = np.abs(np.concatenate(boris.heard[-100:]).astype(np.int32).reshape(-1, 160)).max(axis=1)
    assert (frames == 0).sum() >= 2 * 3


def test_a_key_that_comes_by_info_and_as_sound_reaches_the_other_side_once():
    office = VirtualOffice(sound=True)
    anna, boris = office.phone("101", tone=440, events=False), office.phone("102", tone=880)
    anna.call("102")
    office.run(3)
    for digit in "115":
        anna.tell(digit)
        anna.sound(digit)
        office.run(0.4)
    office.run(2)
    assert boris.digits_heard == ["1", "1", "5"]
