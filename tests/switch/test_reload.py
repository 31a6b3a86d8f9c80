"""The configuration is read again while calls run."""

from __future__ import annotations

from pathlib import Path

import pytest

from softswitch import Switch
from softswitch.errors import ConfigError, NotPossible
from softswitch.events import ConfigRefused, ConfigReloaded, DeviceUnbound
from softswitch.media.engine import Codec
from softswitch.switch.commands import SwitchCommands
from tests.sim.phone import Phone
from tests.switch.real import Desk, configuration, fresh_host, office

THIRD = '[people.103]\nname = "Person 103"\npassword = "secret-103"\n'


class Running:
    """An office in which 101 and 102 talk."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.folder, self.host = folder, fresh_host()
        self.switch = Switch(configuration(folder, self.host, more))

    def write(self, more: str = "", **lines: str) -> None:
        self.switch.settings.path.write_text(office(self.folder, self.host, more, **lines))

    async def __aenter__(self) -> Running:
        await self.switch.start()
        self.desk = Desk(self.host)
        self.anna, self.boris = self.desk.phone("101", tone=440), self.desk.phone("102", tone=880, answer=0.1)
        await self.desk.registered(self.anna, self.boris)
        self.anna.call("102")
        await self.desk.until(lambda: len(self.anna.heard) > 5 and len(self.boris.heard) > 5)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.switch.stop()
        self.desk.close()

    async def still_talking(self) -> None:
        heard = len(self.anna.heard), len(self.boris.heard)
        await self.desk.until(lambda: len(self.anna.heard) > heard[0] + 20 and len(self.boris.heard) > heard[1] + 20)

    async def registers(self, phone: Phone) -> int:
        phone.status = None
        phone.register()
        await self.desk.until(lambda: phone.status is not None)
        assert phone.status is not None
        return phone.status


async def test_a_person_who_was_added_can_be_called(tmp_path: Path):
    async with Running(tmp_path) as office:
        dora = office.desk.phone("103", answer=0.1)
        assert await office.registers(dora) == 401
        office.write(THIRD)
        assert office.switch.reload() == ["people.103 added: Person 103"]
        eve = office.desk.phone("103", answer=0.1)
        assert await office.registers(eve) == 200
        await office.still_talking()


async def test_a_person_who_was_removed_is_not_rung_any_more_and_his_call_goes_on(tmp_path: Path):
    async with Running(tmp_path) as office:
        events = office.switch.events()
        text = office.switch.settings.path.read_text()
        office.switch.settings.path.write_text(text[: text.index("[people.102]")])
        assert office.switch.reload() == ["people.102 removed: Person 102"]
        await office.still_talking()
        assert office.switch.endpoint.bindings("102") == []
        office.boris.hang_up()
        await office.desk.until(lambda: office.anna.idle)
        office.anna.status = None
        office.anna.call("102")
        await office.desk.until(lambda: office.anna.status is not None and office.anna.idle)
        assert office.anna.status == 404
        assert await office.registers(office.boris) == 401
        await office.switch.stop()
        gone = [event async for event in events if isinstance(event, DeviceUnbound)]
        assert [(event.person, event.why) for event in gone] == [("102", "removed")]


async def test_a_new_password_ends_the_registrations_made_with_the_old_one(tmp_path: Path):
    async with Running(tmp_path) as office:
        text = office.switch.settings.path.read_text()
        office.switch.settings.path.write_text(text.replace("secret-102", "another-102"))
        assert office.switch.reload() == ["people.102.password changed"]
        assert office.switch.endpoint.bindings("102") == []
        assert len(office.switch.endpoint.bindings("101")) == 1
        assert await office.registers(office.boris) == 401
        assert await office.registers(office.desk.phone("102", password="another-102")) == 200
        await office.still_talking()


async def test_new_codecs_are_for_new_calls(tmp_path: Path):
    async with Running(tmp_path) as office:
        assert office.anna.codec == "PCMU"
        office.write(rtp='codecs = ["PCMA"]')
        (change,) = office.switch.reload()
        assert change.startswith("rtp.codecs: ")
        await office.still_talking()
        office.anna.hold()
        await office.desk.until(lambda: office.boris.hears(440) < -60)
        office.anna.resume()
        await office.still_talking()
        assert office.anna.codec == "PCMU"
        office.anna.hang_up()
        await office.desk.until(lambda: office.anna.idle and office.boris.idle)
        office.anna.call("102")
        await office.desk.until(lambda: office.anna.talking)
        assert office.anna.codec == "PCMA"
        assert office.switch.settings.rtp.codecs == (Codec.PCMA,)


async def test_recording_that_is_switched_off_ends_with_the_running_calls(tmp_path: Path):
    async with Running(tmp_path) as office:
        office.write('[recording]\nwhat = "none"\n')
        office.switch.reload()
        await office.still_talking()
        office.anna.hang_up()
        await office.desk.until(lambda: office.anna.idle and office.boris.idle and not office.switch.control.calls)
        office.anna.call("102")
        await office.desk.until(lambda: office.anna.talking and len(office.boris.heard) > 40)
        office.anna.hang_up()
        await office.desk.until(lambda: office.anna.idle and not office.switch.control.calls)
        assert len(list(office.switch.settings.recording.folder.rglob("*.wav"))) == 1


async def test_a_trunk_moves_for_new_calls(tmp_path: Path):
    def trunk(host: str) -> str:
        return f'[trunks.line]\nserver = "{host}"\n[[inbound]]\nnumber = "+74951234567"\nto = "person:101"\n'

    async with Running(tmp_path, trunk("127.9.9.1")) as office:
        assert office.switch._directory._trunks == {"127.9.9.1": "line"}
        office.write(trunk("127.9.9.2"))
        assert office.switch.reload() == [
            "trunks.line.server: 127.9.9.1:5060 -> 127.9.9.2:5060",
            "trunks.line.addresses: 127.9.9.1 -> 127.9.9.2",
        ]
        assert office.switch._directory._trunks == {"127.9.9.2": "line"}
        await office.still_talking()


async def test_a_bad_file_leaves_the_old_one_in_force_and_is_journaled(tmp_path: Path):
    async with Running(tmp_path) as office:
        events, before = office.switch.events(), office.switch.settings
        office.write(THIRD.replace("password", "pasword"))
        with pytest.raises(ConfigError):
            office.switch.reload()
        assert office.switch.settings is before
        await office.still_talking()
        await office.switch.stop()
        (refused,) = [event async for event in events if isinstance(event, ConfigRefused)]
        assert any("pasword" in problem for problem in refused.problems)


async def test_what_needs_a_restart_is_said_and_stays_as_it_is(tmp_path: Path):
    async with Running(tmp_path) as office:
        events = office.switch.events()
        office.write(listen=f'"udp:{office.host}:5070"', sip='keep_alive = "20s"', rtp="threads = 2")
        wanted = [
            f"sip.listen: udp:{office.host}:5060, tcp:{office.host}:5060 -> udp:{office.host}:5070 (needs a restart)",
            "sip.keep_alive: 10s -> 20s",
            "rtp.threads: auto -> 2 (needs a restart)",
        ]
        assert office.switch.reload() == wanted
        assert [item.port for item in office.switch.settings.sip.listen] == [5060, 5060]
        assert office.switch.settings.rtp.threads is None
        assert office.switch.settings.sip.keep_alive == 20
        # It is said again as long as it is waited for.
        assert office.switch.reload() == [line for line in wanted if "restart" in line]
        await office.still_talking()
        await office.switch.stop()
        told = [event.changes async for event in events if isinstance(event, ConfigReloaded)]
        assert told[0] == tuple(wanted)


async def test_another_domain_is_refused_as_a_whole(tmp_path: Path):
    async with Running(tmp_path) as office:
        before = office.switch.settings
        office.write(THIRD)
        path = before.path
        path.write_text(path.read_text().replace("office.example", "branch.example"))
        with pytest.raises(NotPossible, match=r"switch.domain: office.example -> branch.example needs a restart"):
            office.switch.reload()
        assert office.switch.settings is before


async def test_the_answer_speaks_the_language_of_the_asker(tmp_path: Path):
    async with Running(tmp_path) as office:
        office.write(THIRD)
        view = await SwitchCommands(office.switch).reload(None, "ru")
        assert view["changes"] == ["people.103 добавлено: Person 103"]


async def test_a_registration_asked_for_too_briefly_is_judged_by_the_new_settings(tmp_path: Path):
    async with Running(tmp_path) as office:
        office.write(sip='expires_min = "5m"')
        office.switch.reload()
        office.boris.status = None
        office.boris.register(expires=120)
        await office.desk.until(lambda: office.boris.status is not None)
        assert office.boris.status == 423
