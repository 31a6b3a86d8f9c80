"""The command line itself: help, languages, colours, exit codes, completion, and the commands that need no switch."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from softswitch.cli import main
from softswitch.cli.messages import MESSAGES, language_of
from tests.cli.calling import QUIET, Office
from tests.config.office import ANNA, SWITCH

COMMANDS = (
    "calls check completion password people rebuild reload run show status stop token trace version".split()  # noqa: SIM905
)


def test_help_names_every_command(office: Office) -> None:
    done = office.call("--help")
    assert done.code == 0
    assert [line.split(" ")[0] for line in done.lines if line.split(" ")[0] in COMMANDS] == COMMANDS


def test_help_is_in_the_language_of_the_environment_or_the_option(office: Office) -> None:
    assert "Кто на связи" in office.call("--help", environ={"LANG": "ru_RU.UTF-8"}).out
    assert "Кто на связи" in office.call("--lang", "ru", "--help").out
    assert "Сколько прошедших" in office.call("--lang", "ru", "calls", "--help").out
    assert "Who is registered" in office.call("--lang", "en", "--help", environ={"LANG": "ru_RU.UTF-8"}).out


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE", "LC_MESSAGES": "RU"}, "ru"),
        ({"LANG": "ru", "LC_ALL": ""}, "ru"),
    ],
)
def test_the_language_is_found_as_posix_says(environ: dict[str, str], language: str) -> None:
    assert language_of(environ) == language


def test_messages_have_the_same_values_in_both_languages() -> None:
    def values(text: str) -> list[str]:
        return sorted(part.partition("}")[0] for part in text.split("{")[1:])

    assert [key for key, (english, russian) in MESSAGES.items() if values(english) != values(russian)] == []


def test_a_misspelt_command_is_wrong_usage_and_the_right_one_is_named(office: Office) -> None:
    done = office.call("stauts")
    assert (done.code, done.err.splitlines()[-1]) == (2, "Error: there is no command stauts (did you mean status?)")
    done = office.call("--lang", "ru", "stauts")
    assert done.err.splitlines()[-1] == "Error: нет команды stauts (возможно, status?)"


@pytest.mark.parametrize(
    "words", [["show"], ["calls", "--finished", "x"], ["--lang", "de", "status"], ["completion", "tcsh"]]
)
def test_wrong_usage_has_its_own_exit_code(office: Office, words: list[str]) -> None:
    assert office.call(*words).code == 2


def test_a_missing_file_says_where_to_look(tmp_path: Path, office: Office) -> None:
    done = office.call("--config", "/nowhere/softswitch.toml", "status")
    assert done.code == 1
    assert done.err.splitlines() == [
        "error: there is no file /nowhere/softswitch.toml",
        "  go to the office's folder or name the file: softswitch --config FILE status",
    ]


def test_a_file_that_is_no_toml_leads_to_check(office: Office) -> None:
    office.config.write_text("[switch\n")
    done = office.call("status")
    assert (done.code, done.err.splitlines()[1]) == (1, f"  see what is wrong: softswitch check {office.config}")


def test_a_running_switch_is_found_while_its_file_is_half_edited(office: Office) -> None:
    with office.running():
        office.config.write_text(SWITCH + "[sip]\ncontacts = 0\n")
        assert office.call("status").code == 0


def test_a_switch_is_found_by_its_socket_alone(office: Office) -> None:
    with office.running():
        done = office.call("--config", "/nowhere", "--socket", str(office.folder / "var" / "control.sock"), "status")
    assert done.code == 0


def test_the_file_may_be_named_by_the_environment(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    other = office.folder / "other.toml"
    other.write_text(SWITCH + ANNA)
    from click.testing import CliRunner

    done = CliRunner(env={**QUIET, "SOFTSWITCH_CONFIG": str(other)}).invoke(main, ["check"])
    assert done.stdout.splitlines()[0] == f"{other} is right"


def test_messages_are_in_russian_when_asked(office: Office) -> None:
    done = office.call("--lang", "ru", "status")
    assert done.err.splitlines()[1] == f"  запустите её: softswitch run {office.config}"


def test_colours_are_only_where_they_are_wanted(office: Office) -> None:
    with office.running():
        assert "\x1b[" not in office.call("people").out
        assert "\x1b[" in office.call("people", "--color").out
        assert "\x1b[" not in office.call("people", "--color", "--no-color").out
    assert "\x1b[31m" in office.call("status", "--color").err
    assert "\x1b[31m" not in office.call("status").err


# Check, run and the rest --------------------------------------------------------------------------------------------


def test_check_of_a_right_file_says_what_is_in_it(office: Office) -> None:
    done = office.call("check")
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        f"{office.config} is right",
        "1 people, 0 groups, 0 trunks, 0 inbound and 0 outbound rules",
    ]


def test_check_shows_warnings_and_is_content(office: Office) -> None:
    office.config.write_text(SWITCH + '[people.101]\nname = "A"\npassword = "generate"\n')
    done = office.call("check")
    assert (done.code, done.err) == (
        0,
        f"{office.config}:6:12 warning: people.101.password: "
        "the password will be generated and shown at the first run\n",
    )
    assert not (office.folder / "var").exists()


def test_the_first_run_shows_passwords_once_and_all_that_is_set_in_a_telephone(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("softswitch.switch.run", lambda loaded: None)
    office.config.write_text(
        SWITCH + '[people.101]\nname = "A"\npassword = "generate"\n'
        '[sip]\nlisten = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060", "udp:192.0.2.7:5070"]\n'
    )
    done = office.call("run")
    assert done.code == 0
    at = done.lines.index("Settings of a phone")
    assert [" ".join(line.split()) for line in done.lines[at + 1 :]] == [
        "user name the extension",
        "password as shown above",
        "domain pbx.example",
        "server, and outbound proxy (route) this machine's address, port 5060, UDP or TCP",
        "server, and outbound proxy (route) 192.0.2.7, port 5070, UDP",
    ]
    again = office.call("run")
    assert (again.code, again.out) == (0, "")


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_wrong_file_is_refused_line_by_line(office: Office, command: str) -> None:
    office.config.write_text(SWITCH + "[sip]\ncontacts = 0\nlisten = 5\n")
    done = office.call(command)
    assert done.code == 1
    assert done.err.splitlines() == [
        f"{office.config}:1:1 warning: people: nobody is in the office: no phone can register "
        "(there are none yet: add [people.101])",
        f"{office.config}:5:12 error: sip.contacts: 0 is too small (expected 1 to 100)",
        f"{office.config}:6:10 error: sip.listen: 5 is not a list (expected a list in [ ])",
        f"error: {office.config} was refused: 2",
        "  correct the lines above and try again",
    ]


def test_check_in_json_has_a_record_for_each_problem(office: Office) -> None:
    assert office.call("check", "--json").json == {"file": str(office.config), "ok": True, "problems": []}
    office.config.write_text(SWITCH + ANNA + "[sip]\ncontacts = 0\n")
    done = office.call("check", "--json")
    assert done.code == 1
    assert done.json == {
        "file": str(office.config),
        "ok": False,
        "problems": [
            {
                "severity": "error",
                "line": 8,
                "column": 12,
                "key": "sip.contacts",
                "reason": "0 is too small",
                "hint": "expected 1 to 100",
            }
        ],
    }


def test_version_is_told(office: Office) -> None:
    from softswitch import __version__

    assert office.call("version").out.startswith(f"softswitch {__version__} (Python 3.")
    assert office.call("version", "--json").json["version"] == __version__


def test_the_reference_is_printed_for_the_documentation(office: Office) -> None:
    assert office.call("reference").out.startswith("# Configuration reference\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_completion(office: Office, shell: str) -> None:
    done = office.call("completion", shell)
    assert (done.code, "_SOFTSWITCH_COMPLETE" in done.out) == (0, True)


def completions(*words: str, begun: str = "") -> list[str]:
    shell = BashComplete(main, {}, "softswitch", "_SOFTSWITCH_COMPLETE")
    return [item.value for item in shell.get_completions(list(words), begun)]


def test_commands_and_options_are_completed() -> None:
    assert completions(begun="st") == ["status", "stop"]
    assert completions("calls", begun="--f") == ["--finished", "--follow"]
    assert completions("completion") == ["bash", "zsh", "fish"]


def test_the_id_of_a_conversation_is_completed_by_the_running_switch(office: Office) -> None:
    config = ("--config", str(office.config))
    assert completions(*config, "show") == []
    with office.running():
        assert completions(*config, "show", begun="4r") == ["4rt0kqz1m2n3"]
        assert completions(*config, "trace") == ["4rt0kqz1m2n3", "3aaa"]


def test_help_loads_nothing_that_is_slow() -> None:
    code = (
        "import sys; from softswitch.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('pydantic', 'rich', 'structlog', 'asyncio', 'sqlalchemy', 'numpy', 'phonenumbers')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_switch_that_cannot_start_says_what_may_be_in_the_way(office: Office) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        office.config.write_text(SWITCH + f'[sip]\nlisten = "udp:127.0.0.1:{port}"\n' + ANNA)
        done = office.call("run")
    assert done.code == 1
    assert done.err.splitlines()[-2].startswith(
        f"error: the switch could not start: cannot listen on udp:127.0.0.1:{port}"
    )
    assert done.err.splitlines()[-1].endswith(f"change the address or folder in {office.config}")
