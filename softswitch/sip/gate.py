"""Who sent a request: proof by digest, and the bans of those who guess passwords."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from softswitch.ids import Ids
from softswitch.sip.auth import Denied, DigestServer
from softswitch.sip.bans import Bans
from softswitch.sip.events import Banned
from softswitch.sip.message import Request
from softswitch.sip.policy import Refusal
from softswitch.sip.registrar import Registrar
from softswitch.sip.settings import Authority, SipSettings

__all__ = ["Gate", "Unproved"]

_BANNED = Refusal(403, (("Warning", '399 softswitch "too many wrong passwords"'),))


class Unproved(NamedTuple):
    """What the sender is answered, and the ban that his guess was one too many for."""

    refusal: Refusal
    banned: Banned | None = None


class Gate:
    """Keeps nothing of a request whose sender is not proved, but for what was guessed."""

    def __init__(self, settings: SipSettings, ids: Ids, authority: Authority, registrar: Registrar) -> None:
        self.bans = Bans()
        self.counters: Counter[str] = Counter()
        self._authority, self._registrar = authority, registrar
        self._digest = DigestServer(
            ids.token(256).encode(),
            ids,
            settings.realm or settings.domain,
            life=settings.nonce_life,
            algorithms=settings.algorithms,
        )

    def use(self, settings: SipSettings) -> None:
        self._digest.offer(settings.algorithms)

    def check(self, request: Request, source: str, now: float) -> str | Unproved:
        """Return the person who sent a request from the address ``source``, or what he is answered."""
        verdict = self._digest.check(request, self._authority.credentials, source, now)
        account = verdict.guess if isinstance(verdict, Denied) else verdict.user
        if account and self.bans.holds(source, account, now):
            # Whether the password was right this time is not told: the guesser asks just that.
            self.counters["denied: banned"] += 1
            return Unproved(_BANNED)
        if not isinstance(verdict, Denied):
            return verdict.user
        self.counters[f"denied: {verdict.why}"] += 1
        lines = self._digest.challenge(now, source, verdict.stale)
        challenge = Refusal(401, tuple(("WWW-Authenticate", line) for line in lines))
        # Where a telephone of the office is healthy somebody mistypes; nobody there is shut out.
        if not account or not self.bans.guessed(source, account, now) or self._registrar.healthy_at(source):
            return Unproved(challenge)
        ban = self.bans.add(source, account, now)
        return Unproved(challenge, Banned(source=ban.source, account=ban.account, seconds=ban.until - now))
