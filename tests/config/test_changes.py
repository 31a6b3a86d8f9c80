"""What a reload changes, in sentences."""

from __future__ import annotations

from pathlib import Path

from softswitch.config import diff
from softswitch.config.settings import Language
from tests.config.office import ENVIRON, settings
from tests.config.test_load import OFFICE


def changes(
    folder: Path, *replaced: tuple[str, str], environ: dict[str, str] = ENVIRON, language: Language = "en"
) -> list[str]:
    text = OFFICE
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    return diff(settings(folder, OFFICE), settings(folder, text, environ), language)


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    assert changes(tmp_path) == []


def test_a_person_who_comes_and_one_who_goes_are_named(tmp_path: Path) -> None:
    ivan = '[people.103]\nname = "Ivan"\npassword = { env = "P101" }\n[groups.sales]'
    assert changes(tmp_path, ("[groups.sales]", ivan)) == ["people.103 added: Ivan"]
    assert changes(tmp_path, ("[people.101]", "[people.102]"), ('"person:101"', '"person:102"'))[:2] == [
        "people.101 removed: Anna",
        "people.102 added: Anna",
    ]


def test_a_changed_value_is_shown_before_and_after(tmp_path: Path) -> None:
    assert changes(tmp_path, ("calls = 10", "calls = 20")) == ["trunks.provider.calls: 10 -> 20"]
    assert changes(tmp_path, ('ring = "20s"', 'ring = "1m30s"')) == ["people.101.ring: 20s -> 1m30s"]
    assert changes(tmp_path, ('public = "203.0.113.1"', 'public = "auto"')) == ["sip.public: 203.0.113.1 -> auto"]
    assert changes(tmp_path, ('group = ["sales", "support"]', 'group = "sales"')) == [
        "people.110.group: sales, support -> sales"
    ]
    assert changes(tmp_path, ("record = true\n", "")) == ["people.110.record: true -> none"]
    assert changes(tmp_path, ('area = "495"', 'area = "499"')) == ["switch.area: 495 -> 499"]
    assert changes(tmp_path, ("203.0.113.5:5070", "203.0.113.6:5070")) == [
        "trunks.provider.server: 203.0.113.5:5070 -> 203.0.113.6:5070",
        "trunks.provider.addresses: 203.0.113.0/28, 203.0.113.5 -> 203.0.113.0/28, 203.0.113.6",
    ]


def test_what_waits_for_a_restart_says_so(tmp_path: Path) -> None:
    assert changes(tmp_path, ("udp:192.0.2.1:5060", "udp:192.0.2.1:5070")) == [
        "sip.listen: udp:192.0.2.1:5060, tcp:[::]:5060 -> udp:192.0.2.1:5070, tcp:[::]:5060 (needs a restart)"
    ]
    assert changes(tmp_path, ("30000-30099", "30000-31099")) == [
        "rtp.ports: 30000-30099 -> 30000-31099 (needs a restart)"
    ]


def test_a_changed_password_is_named_and_not_shown(tmp_path: Path) -> None:
    assert changes(tmp_path, environ={"P101": "another-one", "P102": "another-two"}) == [
        "people.101.password changed",
        "people.110.password changed",
        "trunks.provider.account.password changed",
    ]


def test_a_changed_rule_is_one_less_and_one_more(tmp_path: Path) -> None:
    assert changes(tmp_path, ("person:101", "person:110")) == [
        "inbound removed: +74951234567 -> person:101 (provider)",
        "inbound added: +74951234567 -> person:110 (provider)",
    ]


def test_another_order_of_the_rules_is_a_change(tmp_path: Path) -> None:
    rule = '[[outbound]]\nnumber = "{}"\ntrunks = "provider"\nas = "+74951234567"\n'
    one, two = rule.format("+7."), rule.format("+44.")
    before, after = settings(tmp_path, OFFICE + one + two), settings(tmp_path, OFFICE + two + one)
    assert diff(before, after) == ["outbound: the order of the rules changed"]


def test_changes_are_told_in_russian_too(tmp_path: Path) -> None:
    changed = changes(tmp_path, ("30000-30099", "30000-31099"), ("[[outbound]]", "[[outbound]]\n"), language="ru")
    assert changed == ["rtp.ports: 30000-30099 -> 30000-31099 (нужен перезапуск)"]


def test_the_api_changes_at_a_restart_only(tmp_path: Path) -> None:
    web = "[web]\n[groups.sales]"
    assert changes(tmp_path, ("[groups.sales]", web)) == ["web added (needs a restart)"]
    old, new = settings(tmp_path, OFFICE + "[web]\n"), settings(tmp_path, OFFICE + '[web]\nlisten = "[::1]:80"\n')
    assert diff(old, new) == ["web.listen: 127.0.0.1:8080 -> [::1]:80 (needs a restart)"]


def test_a_changed_pin_is_named_and_not_shown(tmp_path: Path) -> None:
    person = '[people.119]\nname = "Boris"\npassword = { env = "P102" }\npin = "%s"\n'
    old, new = (settings(tmp_path, OFFICE + person % pin) for pin in ("271828", "314159"))
    assert diff(old, new) == ["people.119.pin changed"]
    assert "271828" not in repr(old)
