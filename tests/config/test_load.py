"""What a right file becomes."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.config import ConfigError, load
from softswitch.config.settings import Listener
from softswitch.dialplan.routes import Inbound, Outbound, Trunk
from softswitch.directory.people import Role
from softswitch.media.engine import Codec
from tests.config.office import ANNA, ENVIRON, SWITCH, complaints, read, settings, write

OFFICE = (
    SWITCH
    + """\
language = "ru"
timezone = "Europe/Moscow"
area = "495"
data = "data"
[sip]
listen = ["udp:192.0.2.1:5060", "tcp:[::]:5060"]
public = "203.0.113.1"
local_nets = "192.0.2.0/24"
expires = "10m"
[rtp]
ports = "30000-30099"
codecs = "PCMU"
threads = 2
timeout = "90s"
[recording]
what = "none"
folder = "calls"
[people.101]
name = "Anna"
group = "sales"
password = { env = "P101" }
ring = "20s"
outside = "+7 495 123-45-67"
[people.110]
name = "Boris"
role = "head"
group = ["sales", "support"]
password = { env = "P102" }
record = true
[groups.sales]
name = "Sales"
head = "110"
[groups.support]
name = "Support"
[trunks.provider]
server = "203.0.113.5:5070"
transport = "tcp"
addresses = "203.0.113.0/28"
account = { user = "u", password = { env = "P102" }, realm = "r" }
calls = 10
[[inbound]]
number = "+74951234567"
to = "person:101"
trunk = "provider"
[[outbound]]
number = "+7XXXXXXXXXX"
trunks = "provider"
as = "+74951234567"
"""
)


def test_an_office_is_read_into_the_settings_of_each_part(tmp_path: Path) -> None:
    found = settings(tmp_path, OFFICE)
    assert (found.switch.name, found.switch.domain, found.switch.language) == ("Romashka", "pbx.example", "ru")
    assert found.switch.data == tmp_path / "data"
    assert found.switch.database == tmp_path / "data" / "softswitch.db"
    assert found.sip.listen == (Listener("udp", "192.0.2.1", 5060), Listener("tcp", "::", 5060))
    assert (found.sip.public, found.sip.local_nets) == ("203.0.113.1", (ip_network("192.0.2.0/24"),))
    assert (found.sip.expires, found.sip.expires_min, found.sip.contacts) == (600.0, 60.0, 10)
    assert (found.rtp.port_low, found.rtp.port_high, found.rtp.threads) == (30000, 30099, 2)
    assert (found.rtp.codecs, found.rtp.timeout) == ((Codec.PCMU,), 90.0)
    assert (found.recording.what, found.recording.folder) == ("none", tmp_path / "data" / "calls")
    assert (found.plan.country, found.plan.area) == ("RU", "495")


def test_people_and_groups_are_read(tmp_path: Path) -> None:
    directory = settings(tmp_path, OFFICE).directory
    anna, boris = directory.people["101"], directory.people["110"]
    assert (anna.name, anna.role, anna.groups, anna.ring) == ("Anna", Role.EMPLOYEE, ("sales",), 20.0)
    assert (anna.outside, anna.record) == ("+74951234567", None)
    assert (boris.role, boris.groups, boris.record) == (Role.HEAD, ("sales", "support"), True)
    assert {key: group.heads for key, group in directory.groups.items()} == {"sales": ("110",), "support": ()}


def test_trunks_and_rules_are_read(tmp_path: Path) -> None:
    found = settings(tmp_path, OFFICE)
    assert found.plan.trunks == {
        "provider": Trunk(
            name="provider",
            host="203.0.113.5",
            port=5070,
            transport="tcp",
            addresses=("203.0.113.0/28", "203.0.113.5"),
            user="u",
            realm="r",
            calls=10,
        )
    }
    assert found.plan.inbound == (Inbound(number="+74951234567", to="person:101", trunk="provider"),)
    assert found.plan.outbound == (Outbound(number="+7XXXXXXXXXX", trunks=("provider",), caller="+74951234567"),)
    account = found.accounts["provider"]
    assert (account.user, account.password, account.realm) == ("u", "long-enough-2", "r")


def test_a_table_that_is_left_out_has_its_defaults(tmp_path: Path) -> None:
    found = settings(tmp_path, SWITCH + ANNA)
    assert found.sip.listen == (Listener("udp", "0.0.0.0", 5060), Listener("tcp", "0.0.0.0", 5060))
    assert found.sip.digest == ("MD5",)
    assert (found.sip.public, found.sip.expires, found.sip.session_expires) == (None, 3600.0, 1800.0)
    assert (found.rtp.port_low, found.rtp.port_high, found.rtp.codecs) == (
        20000,
        29999,
        (Codec.OPUS, Codec.G722, Codec.PCMA, Codec.PCMU),
    )
    assert (found.recording.what, found.recording.keep, found.rtp.threads) == ("all", None, None)
    assert (found.switch.data, found.switch.language) == (tmp_path / "var", "en")


def test_only_the_digest_of_a_password_is_kept(tmp_path: Path) -> None:
    found = settings(tmp_path, SWITCH + ANNA)
    # RFC 7616 section 3.4.2: A1 = user:realm:password, and the realm is the domain.
    secret = b"101:pbx.example:long-enough-1"
    assert dict(found.directory.people["101"].ha1) == {
        "MD5": hashlib.md5(secret).hexdigest(),
        "SHA-256": hashlib.sha256(secret).hexdigest(),
    }


def test_no_secret_is_in_what_is_printed(tmp_path: Path) -> None:
    text = OFFICE.replace('data = "data"', 'database = "postgresql://me:canary-1@db/office"')
    loaded = read(tmp_path, text, {"P101": "canary-2-long", "P102": "canary-3-long"})
    ha1 = loaded.settings.directory.people["101"].ha1["MD5"]
    shown = repr(loaded) + "".join(map(str, loaded.warnings))
    assert not [secret for secret in ("canary-1", "canary-2", "canary-3", ha1) if secret in shown]


def test_a_password_is_the_first_line_of_its_file_beside_the_office_s(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "101"
    secret.write_text("long-enough-1\nsecond line\n")
    secret.chmod(0o600)
    found = settings(tmp_path, SWITCH + '[people.101]\nname = "A"\npassword = { file = "secrets/101" }\n', {})
    assert found.directory.people["101"].ha1 == settings(tmp_path, SWITCH + ANNA).directory.people["101"].ha1


def test_a_password_file_that_everybody_may_read_is_warned_about(tmp_path: Path) -> None:
    (tmp_path / "101").write_text("long-enough-1\n")
    (tmp_path / "101").chmod(0o644)
    assert complaints(tmp_path, SWITCH + '[people.101]\nname = "A"\npassword = { file = "101" }\n') == [
        "6:12 warning: people.101.password: 101 can be read by every user of this machine (chmod 600 101)"
    ]


def test_a_generated_password_is_made_once_and_only_when_asked_for(tmp_path: Path) -> None:
    text = SWITCH + '[people.101]\nname = "A"\npassword = "generate"\n'
    first = read(tmp_path, text)
    assert (dict(first.generated), dict(first.settings.directory.people["101"].ha1)) == ({}, {})
    assert not (tmp_path / "var").exists()
    second, third = read(tmp_path, text, create=True), read(tmp_path, text, create=True)
    assert len(second.generated["101"]) == 16
    assert (dict(third.generated), third.warnings) == ({}, ())
    assert second.settings.directory.people["101"].ha1 == third.settings.directory.people["101"].ha1


def test_a_generated_password_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    loaded = read(tmp_path, SWITCH + '[people.101]\nname = "A"\npassword = "generate"\n', create=True)
    kept = tmp_path / "var" / "passwords" / "101"
    assert kept.read_text() == loaded.generated["101"] + "\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_nothing_is_generated_for_a_file_that_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, SWITCH + '[people.101]\nname = "A"\npassword = "generate"\n[sip]\ncontacts = 0\n')
    with pytest.raises(ConfigError):
        load(path, {}, create=True)
    assert not (tmp_path / "var").exists()


def test_the_mark_of_a_windows_editor_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "office.toml").write_bytes(b"\xef\xbb\xbf" + (SWITCH + ANNA).replace("\n", "\r\n").encode())
    assert load(tmp_path / "office.toml", ENVIRON).settings.switch.name == "Romashka"


def test_a_database_may_come_from_the_environment(tmp_path: Path) -> None:
    text = SWITCH + 'database = { env = "URL" }\n' + ANNA
    found = read(tmp_path, text, {**ENVIRON, "URL": "postgresql://me:x@db/office"})
    assert found.settings.switch.database == "postgresql://me:x@db/office"
    assert found.warnings == ()


def test_music_must_be_a_file(tmp_path: Path) -> None:
    text = SWITCH + 'music = "calm.wav"\n' + ANNA
    assert complaints(tmp_path, text) == ["4:9 switch.music: there is no file or folder calm.wav"]
    (tmp_path / "calm.wav").write_bytes(b"RIFF")
    assert settings(tmp_path, text).switch.music == tmp_path / "calm.wav"


EXAMPLE = Path(__file__).parents[2] / "softswitch.toml"


def test_the_example_of_a_ten_seat_office_is_right() -> None:
    loaded = load(EXAMPLE, {})
    assert len(loaded.settings.directory.people) == 10
    assert all("generated" in warning.reason for warning in loaded.warnings)


def test_the_commented_part_of_the_example_is_right_too(tmp_path: Path) -> None:
    head, mark, tail = EXAMPLE.read_text(encoding="utf-8").partition("# [trunks.provider]")
    rules = "\n".join(line.removeprefix("#").removeprefix(" ") for line in (mark + tail).split("\n"))
    found = settings(tmp_path, head + rules, {"PROVIDER_PASSWORD": "x"})
    assert [rule.number for rule in found.plan.outbound] == ["+7XXXXXXXXXX", "0[1-4]"]


# Whatever stands in the file ----------------------------------------------------------------------------------------

VALUES = """\
"x" | "101" | "" | 5 | -1 | 1.5 | true | [] | {} | ["a", 5] | 2026-01-01 | inf | { env = "P101" } | { file = "/" }
"generate" | "udp:0.0.0.0:5060" | "20s" | "+7X." | "person:101" | "20000-29999"
"\\u0000" | "\\u202E" | ["101"] | [[[[1]]]] | "PCMA"
{ a = { b = 1 } } | "~/x"\
"""
TABLES = """\
[switch] | [sip] | [rtp] | [recording] | [people.101] | [people.x] | [people] | [groups.sales] | [trunks.p] |
[trunks.p.account] | [[inbound]] | [[outbound]] | [[people]] | [inbound] | [queues]\
"""
KEYS = """\
name domain language timezone country area data database music listen public local_nets digest expires expires_min
contacts keep_alive session_expires ports codecs threads timeout what folder keep password group role devices ring
outside record head server transport addresses account user realm calls number to trunk trunks as register nmae\
"""
printable = st.characters(codec="utf-8", exclude_characters="'", exclude_categories=["Cc"])
values = st.one_of(
    st.sampled_from([*VALUES.replace("\n", " | ").split(" | "), "9" * 5000]),
    st.text(printable, max_size=9).map("'{}'".format),
)
tables = st.sampled_from([line.strip() for line in TABLES.split("|")])
words = st.sampled_from(KEYS.split())
lines = st.one_of(tables, st.tuples(words, values).map(" = ".join))


@given(st.lists(lines, max_size=14))
def test_a_file_of_any_keys_is_read_or_refused_with_words(
    tmp_path_factory: pytest.TempPathFactory, text: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for language in ("en", "ru"):
        for line in complaints(folder, "\n".join([SWITCH, *text]), language=language):
            place, _, rest = line.partition(" ")
            assert all(part.isdigit() for part in place.split(":"))
            assert rest


@given(st.binary(max_size=200) | st.text(alphabet='[]{}="\n.,\\#abc1 ', max_size=60).map(str.encode))
def test_a_file_of_any_bytes_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        load(path, {})


def test_without_a_table_there_is_no_api_and_with_an_empty_one_it_is_for_this_machine_only(tmp_path: Path) -> None:
    assert settings(tmp_path, SWITCH + ANNA).web is None
    web = settings(tmp_path, SWITCH + ANNA + "[web]\n").web
    assert web is not None
    assert (web.listen, web.origin, web.proxies) == ("127.0.0.1:8080", None, ())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://PBX.example/", "https://pbx.example"),
        ("https://pbx.example:443", "https://pbx.example"),
        ("http://192.0.2.1:8080", "http://192.0.2.1:8080"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(tmp_path: Path, written: str, meant: str) -> None:
    web = settings(tmp_path, SWITCH + ANNA + f'[web]\norigin = "{written}"\n').web
    assert web is not None
    assert web.origin == meant
