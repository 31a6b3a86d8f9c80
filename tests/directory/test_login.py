"""Login of people: passwords, sessions, tokens, and what whoever guesses is told."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from argon2 import PasswordHasher

from softswitch import events as facts
from softswitch.clock import VirtualClock
from softswitch.directory.grants import SESSION, Grants
from softswitch.directory.login import Locked, Login, NotNow, WrongPassword
from softswitch.directory.passwords import MOST_WAITING, Busy, Passwords
from softswitch.directory.people import Directory, Person
from softswitch.errors import NoSuch, NotPossible
from softswitch.ids import Ids
from softswitch.store import schema
from softswitch.store.database import Database

HERE = "192.0.2.1"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Office:
    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "softswitch.db")
        self.clock = VirtualClock()
        self.people = {name: Person(extension=name, name=name) for name in ("101", "110")}
        self.told: list[facts.Event] = []
        self.login = self.opened()

    def opened(self) -> Login:
        return Login(
            Grants(self.database, Ids()),
            directory=lambda: Directory(people=MappingProxyType(self.people), groups=MappingProxyType({})),
            publish=self.told.append,
            clock=self.clock,
            ids=Ids(),
            passwords=Passwords(CHEAP),
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.advance_to(self.clock.now() + seconds)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(tmp_path)
    await office.database.prepare()
    yield office
    await office.database.close()


async def test_a_made_password_opens_a_session_that_its_token_names(office: Office):
    password = await office.login.make_password("110", by="console")
    token, session = await office.login.enter("110", password, HERE)
    assert office.login.grant(token) == session
    assert (session.person, session.kind) == ("110", "session")
    assert office.login.grant(token[1:]) is None
    assert [type(event).__name__ for event in office.told] == ["PasswordChanged", "LoggedIn"]


@pytest.mark.parametrize(("person", "password"), [("110", "wrong"), ("101", ""), ("999", "wrong"), ("", "")])
async def test_a_wrong_password_and_an_unknown_person_are_refused_alike(office: Office, person: str, password: str):
    await office.login.make_password("110", by="console")
    with pytest.raises(WrongPassword, match="no such extension and password"):
        await office.login.enter(person, password, HERE)
    assert isinstance(office.told[-1], facts.LoginRefused)


async def test_sessions_that_have_expired_are_kept_nowhere_once_somebody_logs_in_again(office: Office):
    password = await office.login.make_password("110", by="console")
    for _ in range(3):
        await office.login.enter("110", password, HERE)
        office.pass_time(SESSION.total_seconds())
    assert len(office.login.grants.of("110", "session")) == 1
    async with office.database.reading() as connection:
        assert len((await connection.execute(schema.web_grants.select())).all()) == 1


async def test_the_answer_for_nobody_takes_as_long_as_that_for_somebody(office: Office):
    # argon2id as it is in production, since the cheap one of the other tests would drown in the noise.
    passwords = Passwords()
    kept = await passwords.hash("the right one")
    await passwords.matches(None, "warm")
    spent: dict[str | None, list[float]] = {kept: [], None: []}
    for _ in range(4):
        for who, times in spent.items():
            begun = time.process_time()
            assert not await passwords.matches(who, "wrong")
            times.append(time.process_time() - begun)
    known, unknown = (statistics.median(times) for times in spent.values())
    assert 0.5 < known / unknown < 2.0


async def test_a_session_ends_with_the_day_and_a_token_does_not(office: Office):
    password = await office.login.make_password("110", by="console")
    session, _ = await office.login.enter("110", password, HERE)
    token, _ = await office.login.make_token("110", "crm", by="console")
    office.pass_time(SESSION.total_seconds() - 1)
    assert office.login.grant(session) is not None
    office.pass_time(1)
    assert office.login.grant(session) is None
    office.pass_time(timedelta(days=999).total_seconds())
    assert office.login.grant(token) is not None


async def test_a_logout_revokes_and_stays_so_after_a_restart(office: Office):
    password = await office.login.make_password("110", by="console")
    first, session = await office.login.enter("110", password, HERE)
    second, _ = await office.login.enter("110", password, HERE)
    await office.login.leave(session)
    again = office.opened()
    await again.ready()
    for login in (office.login, again):
        assert login.grant(first) is None
        assert login.grant(second) is not None


async def test_neither_token_nor_password_is_kept_as_it_is(office: Office, tmp_path: Path):
    password = await office.login.make_password("110", by="console")
    token, _ = await office.login.make_token("110", "crm", by="console")
    await office.database.harden()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"$argon2id$" in kept
    assert password.encode() not in kept
    assert token.encode() not in kept
    assert password not in repr(office.told)
    assert token not in repr(office.told)


async def test_the_fifth_wrong_password_locks_that_source_out_even_with_the_right_one(office: Office):
    password = await office.login.make_password("110", by="console")
    for _ in range(5):
        with pytest.raises(WrongPassword):
            await office.login.enter("110", "wrong", HERE)
    with pytest.raises(Locked) as locked:
        await office.login.enter("110", password, HERE)
    assert locked.value.wait == 30.0
    await office.login.enter("110", password, "192.0.2.2")
    office.pass_time(30.0)
    await office.login.enter("110", password, HERE)
    # A try that is not made leaves no event: else whoever is locked out could fill the disk.
    assert sum(isinstance(event, facts.LoginRefused) for event in office.told) == 5


async def test_ten_guesses_at_once_are_no_more_than_five(office: Office):
    await office.login.make_password("110", by="console")
    guesses = await asyncio.gather(
        *(office.login.enter("110", f"guess {number}", HERE) for number in range(10)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in guesses) == ["Locked"] * 5 + ["WrongPassword"] * 5


async def test_a_flood_of_logins_is_turned_away_rather_than_queued():
    passwords = Passwords(CHEAP)
    answers = await asyncio.gather(*(passwords.hash("x") for _ in range(MOST_WAITING + 4)), return_exceptions=True)
    assert sum(isinstance(one, Busy) for one in answers) == 4


async def test_a_new_password_ends_all_other_sessions(office: Office):
    old = await office.login.make_password("110", by="console")
    first, session = await office.login.enter("110", old, HERE)
    second, _ = await office.login.enter("110", old, HERE)
    await office.login.change(session, old, "correct horse battery", HERE)
    assert office.login.grant(first) is not None
    assert office.login.grant(second) is None
    with pytest.raises(WrongPassword):
        await office.login.enter("110", old, HERE)
    await office.login.enter("110", "correct horse battery", HERE)


@pytest.mark.parametrize("weak", ["short", "", "the old one is"])
async def test_a_weak_password_is_not_taken(office: Office, weak: str):
    old = await office.login.make_password("110", by="console")
    _, session = await office.login.enter("110", old, HERE)
    with pytest.raises(NotPossible, match="at least 10 characters"):
        await office.login.change(session, old, old if weak == "the old one is" else weak, HERE)


async def test_whoever_leaves_the_office_is_out_at_once(office: Office):
    token, grant = await office.login.make_token("110", "crm", by="console")
    assert office.login.holds(grant)
    del office.people["110"]
    assert office.login.grant(token) is None
    assert not office.login.holds(grant)
    with pytest.raises(NoSuch):
        await office.login.make_password("110", by="console")


async def test_a_token_is_revoked_by_its_name_once(office: Office):
    token, _ = await office.login.make_token("110", "crm", by="console")
    with pytest.raises(NotPossible, match="a token 'crm' already"):
        await office.login.make_token("110", "crm", by="console")
    heard: list[bool] = []
    office.login.grants.watch(lambda: heard.append(True))
    await office.login.revoke_token("110", "crm", by="110")
    assert office.login.grant(token) is None
    assert heard == [True]
    with pytest.raises(NoSuch):
        await office.login.revoke_token("110", "crm", by="110")


async def test_without_its_database_nobody_comes_in_and_nothing_breaks(tmp_path: Path):
    office = Office(tmp_path)  # without tables
    with pytest.raises(NotNow):
        await office.login.enter("110", "x", HERE)
    assert office.login.grant("x") is None
    await office.database.prepare()
    with pytest.raises(WrongPassword):
        await office.login.enter("110", "x", HERE)
    await office.database.close()


async def test_the_next_owner_of_an_extension_inherits_neither_password_nor_token(office: Office):
    password = await office.login.make_password("110", by="console")
    token, _ = await office.login.make_token("110", "crm", by="console")
    boris = office.people.pop("110")
    await office.login.forget_strangers()
    assert isinstance(office.told[-1], facts.TokenRevoked)
    office.people["110"] = boris
    assert office.login.grant(token) is None
    with pytest.raises(WrongPassword):
        await office.login.enter("110", password, HERE)


async def test_who_left_while_the_switch_was_down_is_forgotten_at_its_start(office: Office):
    token, _ = await office.login.make_token("110", "crm", by="console")
    boris = office.people.pop("110")
    again = office.opened()
    await again.ready()
    office.people["110"] = boris
    assert again.grant(token) is None
