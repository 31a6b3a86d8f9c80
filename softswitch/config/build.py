"""From checked tables to settings: passwords are fetched, names become objects, paths absolute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from softswitch.config import passwords
from softswitch.config.checks import addresses
from softswitch.config.faults import Complaints
from softswitch.config.kinds import Env, File, Generated, Literally, PasswordSource
from softswitch.config.positions import Path as KeyPath
from softswitch.config.schema import GroupTable, SwitchTable
from softswitch.config.settings import RecordingOptions, RtpOptions, Settings, SipOptions, SwitchOptions, WebOptions
from softswitch.config.tables import Tables
from softswitch.config.values import Wrong
from softswitch.dialplan.codes import KEYS, Codes
from softswitch.dialplan.routes import SUPERVISE, Inbound, Outbound, Plan, Trunk
from softswitch.directory.accounts import Account, ha1
from softswitch.directory.people import Directory, Group, Person, Skill

__all__ = ["Builder"]

DATABASE_FILE = "softswitch.db"
PASSWORDS_FOLDER = "passwords"
DEFAULT_PORT = 5060
PIN = re.compile(r"[0-9]{6,12}")


class Builder:
    """Builds the settings of one file; what goes wrong on the way joins the complaints."""

    def __init__(self, path: Path, tables: Tables, environ: Mapping[str, str], to: Complaints) -> None:
        self._path, self._tables, self._environ, self._to = path, tables, environ, to
        self._base = path.parent
        self.generated: dict[str, str] = {}

    def settings(self, *, create: bool) -> Settings | None:
        """Return the settings, or None if anything was wrong. Passwords are made only when all else is right."""
        tables = self._tables
        switch = self._switch()
        secrets = {key: self._secret(("people", key), one.password, key) for key, one in tables.people.items()}
        pins = self._pins()
        accounts = self._accounts()
        if self._to.failed or switch is None or tables.switch is None:
            return None
        vault = passwords.Vault(switch.data / PASSWORDS_FOLDER)
        for key, one in tables.people.items():
            if isinstance(one.password, Generated):
                secrets[key] = self._generated(vault, key, create=create)
        if self._to.failed or tables.sip is None or tables.rtp is None or tables.recording is None:
            return None
        return Settings(
            path=self._path,
            switch=switch,
            sip=SipOptions(
                listen=tables.sip.listen,
                public=None if tables.sip.public == "auto" else tables.sip.public,
                local_nets=tables.sip.local_nets,
                digest=tables.sip.digest,
                expires=tables.sip.expires,
                expires_min=tables.sip.expires_min,
                contacts=tables.sip.contacts,
                keep_alive=tables.sip.keep_alive,
                session_expires=tables.sip.session_expires,
            ),
            rtp=RtpOptions(
                port_low=tables.rtp.ports[0],
                port_high=tables.rtp.ports[1],
                codecs=tables.rtp.codecs,
                threads=tables.rtp.threads,
                timeout=tables.rtp.timeout,
            ),
            recording=RecordingOptions(
                what=tables.recording.what,
                folder=switch.data / tables.recording.folder,
                keep=tables.recording.keep,
                whisper_track=tables.recording.whisper_track,
            ),
            directory=self._directory(switch.domain, secrets, pins),
            plan=self._plan(tables.switch),
            accounts=MappingProxyType(accounts),
            web=self._web(),
            codes=self._codes(),
            keys=KEYS if tables.codes is None or tables.codes.keys is None else tables.codes.keys,
        )

    def _web(self) -> WebOptions | None:
        table = self._tables.web
        if table is None:
            return None
        host, port = table.listen
        return WebOptions(host=host, port=port, origin=table.origin, proxies=table.proxies)

    def _codes(self) -> Codes:
        table = self._tables.codes
        if table is None:
            return Codes()
        return Codes(
            listen=table.listen,
            whisper=table.whisper,
            barge=table.barge,
            help=table.help,
            mask=table.mask,
            skill=table.skill,
            review=table.review,
            back=table.back,
        )

    def _switch(self) -> SwitchOptions | None:
        table = self._tables.switch
        if table is None:
            return None
        data = (self._base / table.data).absolute()
        music = None if table.music is None else self._base / table.music
        if music is not None and not music.is_file() and not music.is_dir():
            self._to.add(("switch", "music"), "no_sound", name=table.music)
        return SwitchOptions(
            name=table.name,
            domain=table.domain,
            language=table.language,
            timezone=table.timezone,
            data=data,
            database=self._database(table.database, data),
            music=music,
            music_play=table.music_play,
            country=table.country,
        )

    def _database(self, source: str | Env | File, data: Path) -> Path | str:
        path: KeyPath = ("switch", "database")
        if source == "sqlite":
            return data / DATABASE_FILE
        url = source if isinstance(source, str) else passwords.read(source, self._base, self._environ)
        if isinstance(url, Wrong):
            self._to.wrong(path, url)
            return ""
        _, found, rest = url.partition("://")
        if not found or not rest or not url.startswith(("postgresql://", "postgres://")):
            self._to.add(path, "not_a", "…", noun="database")
            return ""
        if isinstance(source, str) and ":" in rest.partition("@")[0] and "@" in rest:
            self._to.warn(path, "literal", env="DATABASE_URL")
        return url

    def _accounts(self) -> dict[str, Account]:
        accounts = {}
        for name, trunk in self._tables.trunks.items():
            if trunk.account is None:
                continue
            path: KeyPath = ("trunks", name, "account")
            password = self._secret(path, trunk.account.password, trunk.account.user)
            if isinstance(trunk.account.password, Generated):
                self._to.add((*path, "password"), "generate_trunk", noun="password")
            elif password is not None:
                accounts[name] = Account(
                    trunk=name, user=trunk.account.user, password=password, realm=trunk.account.realm
                )
        return accounts

    def _secret(self, path: KeyPath, source: PasswordSource, user: str) -> str | None:
        """Fetch one password; None if there is none (yet)."""
        path = (*path, "password")
        if isinstance(source, Generated):
            return None
        password = passwords.read(source, self._base, self._environ)
        if isinstance(password, Wrong):
            self._to.wrong(path, password)
            return None
        if isinstance(source, Literally):
            self._to.warn(path, "literal", env=_variable(path))
        elif isinstance(source, File) and passwords.open_to_all(source, self._base):
            self._to.warn(path, "readable", name=source.path)
        if path[0] == "people" and passwords.weak(password, user):
            self._to.warn(path, "weak")
        return password

    def _generated(self, vault: passwords.Vault, extension: str, *, create: bool) -> str | None:
        path: KeyPath = ("people", extension, "password")
        known = vault.get(extension)
        if known is not None:
            return known
        if not create:
            self._to.warn(path, "to_generate")
            return None
        made = vault.make(extension)
        if isinstance(made, Wrong):
            self._to.wrong(path, made)
            return None
        self.generated[extension] = made
        return made

    def _pins(self) -> dict[str, str]:
        """Fetch the PINs, by extension. Typed behind its extension each must mean one person."""
        pins: dict[str, str] = {}
        for extension, one in self._tables.people.items():
            if one.pin is None:
                continue
            path: KeyPath = ("people", extension, "pin")
            pin = passwords.read(one.pin, self._base, self._environ)
            if isinstance(pin, Wrong):
                self._to.wrong(path, pin)
                continue
            if not PIN.fullmatch(pin):
                self._to.add(path, "not_a", "…", noun="pin")
                continue
            other = next((known for known, said in pins.items() if known + said == extension + pin), None)
            if other is not None:
                self._to.add(path, "same_pin", other=other)
            if isinstance(one.pin, Literally):
                self._to.warn(path, "literal_pin", env=f"PIN_{extension}")
            elif isinstance(one.pin, File) and passwords.open_to_all(one.pin, self._base):
                self._to.warn(path, "readable", name=one.pin.path)
            if len(set(pin)) == 1 or pin in "0123456789012" or pin in "9876543210987":
                self._to.warn(path, "weak_pin")
            pins[extension] = pin
        for index, rule in self._tables.inbound.items():
            if rule.to == SUPERVISE and not any(one.pin for one in self._tables.people.values()):
                self._to.warn(("inbound", index, "to"), "no_pin")
        return pins

    def _directory(self, realm: str, secrets: Mapping[str, str | None], pins: Mapping[str, str]) -> Directory:
        people = {}
        for extension, one in self._tables.people.items():
            password = secrets[extension]
            people[extension] = Person(
                extension=extension,
                name=one.name,
                role=one.role,
                groups=one.group,
                devices=one.devices,
                ha1=MappingProxyType({}) if password is None else ha1(extension, realm, password),
                ring=one.ring,
                outside=one.outside,
                record=one.record,
                monitored=one.monitored,
                whisper_customer=one.whisper_customer,
                digits=one.digits,
                skills=one.skills,
                pin=pins.get(extension, ""),
            )
        groups = {
            key: Group(
                key=key,
                name=one.name,
                heads=one.head,
                disclosure=one.disclosure,
                announcement=self._announcement(key, one),
                shown=one.shown,
            )
            for key, one in self._tables.groups.items()
        }
        skills = {
            key: Skill(key=key, name=one.name, number=one.number or "", ring=one.ring, each=one.each)
            for key, one in self._tables.skills.items()
        }
        return Directory(
            people=MappingProxyType(people), groups=MappingProxyType(groups), skills=MappingProxyType(skills)
        )

    def _announcement(self, key: str, group: GroupTable) -> Path | None:
        if group.announcement is None:
            return None
        path: KeyPath = ("groups", key, "announcement")
        file = self._base / group.announcement
        if not file.is_file():
            self._to.warn(path, "no_sound", name=group.announcement)
            return None
        if group.disclosure == "none":
            self._to.warn(path, "unheard")
        return file

    def _plan(self, switch: SwitchTable) -> Plan:
        trunks = {}
        for name, one in self._tables.trunks.items():
            host, port = one.server
            trunks[name] = Trunk(
                name=name,
                host=host,
                port=port or DEFAULT_PORT,
                transport=one.transport,
                addresses=addresses(one),
                user=one.account.user if one.account else None,
                realm=one.account.realm if one.account else None,
                calls=one.calls,
                timeout=one.timeout,
                keep_alive=one.keep_alive,
                digits=one.digits,
            )
        return Plan(
            inbound=tuple(
                Inbound(number=one.number, to=one.to, trunk=one.trunk) for one in self._tables.inbound.values()
            ),
            outbound=tuple(
                Outbound(number=one.number, trunks=one.trunks, caller=one.caller)
                for one in self._tables.outbound.values()
            ),
            trunks=MappingProxyType(trunks),
            country=switch.country,
            area=switch.area,
        )


def _variable(path: KeyPath) -> str:
    """Return a fitting name for the environment variable of a password."""
    return f"PASSWORD_{path[1]}".upper().replace("-", "_")
