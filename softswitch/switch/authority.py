"""Who may do what over SIP, answered from the configuration in force."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping

from softswitch.config.settings import Network, Settings
from softswitch.directory.accounts import Account
from softswitch.sip.auth import DigestClient
from softswitch.sip.events import Flow

__all__ = ["Directory"]


class Directory:
    """Implements ``sip.settings.Authority``; ``use`` swaps the configuration.

    Trunks are known by their address. The addresses of a provider that is
    configured by name are looked up by ``resolve``, at the start and then again
    from time to time; until then, and when the name stops resolving, the last
    known ones count.
    """

    def __init__(self, settings: Settings) -> None:
        self._named: dict[str, frozenset[str]] = {}
        self._clients: dict[str, tuple[Account, DigestClient]] = {}
        self.use(settings)

    def use(self, settings: Settings) -> None:
        self._settings = settings
        # A client counts how often it has used each nonce, which no other for the same account may begin anew.
        self._clients = {
            name: known
            if (known := self._clients.get(name)) is not None and known[0] == account
            else (account, DigestClient(account.user, password=account.password, realm=account.realm))
            for name, account in settings.accounts.items()
        }
        self._trunks: dict[str, str] = {}
        self._networks: list[tuple[Network, str]] = []
        for trunk in settings.plan.trunks.values():
            for address in (*trunk.addresses, trunk.host, *self._named.get(trunk.host, ())):
                if "/" in address:
                    self._networks.append((ipaddress.ip_network(address, strict=False), trunk.name))
                elif _numeric(address):
                    self._trunks[address] = trunk.name

    async def resolve(self) -> None:
        """Look up the providers that are configured by name."""
        loop = asyncio.get_running_loop()
        for trunk in self._settings.plan.trunks.values():
            if _numeric(trunk.host):
                continue
            try:
                found = await loop.getaddrinfo(trunk.host, trunk.port, type=socket.SOCK_DGRAM)
            except OSError:
                continue
            self._named[trunk.host] = frozenset(str(entry[4][0]) for entry in found)
        self.use(self._settings)

    def credentials(self, user: str) -> Mapping[str, str] | None:
        person = self._settings.directory.people.get(user)
        return person.ha1 if person is not None and person.ha1 else None

    def trunk_of(self, flow: Flow) -> str | None:
        found = self._trunks.get(flow.remote[0])
        if found is not None or not self._networks:
            return found
        try:
            address = ipaddress.ip_address(flow.remote[0])
        except ValueError:
            return None
        return next((name for network, name in self._networks if address in network), None)

    def account(self, name: str) -> DigestClient | None:
        known = self._clients.get(name)
        return None if known is None else known[1]

    def display(self, person: str) -> str:
        found = self._settings.directory.people.get(person)
        return found.name if found is not None else ""


def _numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
