"""Digest authentication, both sides (RFC 7616, RFC 8760, RFC 3261 section 22).

The server keeps nothing for those who have not proved who they are: its nonces
carry their own date and signature. Only a correct answer leaves a trace, the
nonce counts seen, so that it cannot be used again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from softswitch.ids import Ids
from softswitch.sip.grammar import ParseError, quote
from softswitch.sip.headers import Challenge, Credentials, format_credentials, parse_challenge, parse_credentials
from softswitch.sip.message import Request, Response
from softswitch.sip.uri import Uri, equivalent, parse_uri

__all__ = ["ALGORITHMS", "Allowed", "Denied", "DigestClient", "DigestServer", "Refused", "digest_response", "ha1"]

# Strongest first; names as the registry writes them, and the hash behind each.
ALGORITHMS: Final = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
_BY_UPPER: Final = {name.upper(): name for name in ALGORITHMS}

NONCE_LIFE: Final = 60.0
# Requests may overtake each other on UDP: nonce counts so far below the highest are still taken once.
REPLAY_WINDOW: Final = 64
MOST_NONCES: Final = 10_000


def ha1(algorithm: str, user: str, realm: str, password: str) -> str:
    """Return H(user:realm:password), all that a server needs to keep of a password (RFC 7616 section 3.4.2)."""
    return _hash(algorithm, f"{user}:{realm}:{password}")


def digest_response(
    algorithm: str, secret: str, nonce: str, *, method: str, uri: str, qop: tuple[str, str, str] | None
) -> str:
    """Return the response value of RFC 7616 section 3.4.1; ``secret`` is the HA1.

    ``qop`` is (qop, nonce count, client nonce), or None for the form of RFC 2069.
    """
    ha2 = _hash(algorithm, f"{method}:{uri}")
    if qop is None:
        return _hash(algorithm, f"{secret}:{nonce}:{ha2}")
    name, count, cnonce = qop
    return _hash(algorithm, f"{secret}:{nonce}:{count}:{cnonce}:{name}:{ha2}")


def _hash(algorithm: str, text: str) -> str:
    return hashlib.new(ALGORITHMS[algorithm], text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


# Server -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request comes from ``user``; ``algorithm`` tells whether the strongest one offered was used."""

    user: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class Denied:
    """Answer with a fresh challenge. ``stale``: the password was right and only the nonce was not.

    ``why`` is for our own log and counters, never for the peer. ``guess``: whose password the
    answer was meant to prove, and did not, by somebody who had our challenge at this address:
    without that, whoever forges a source address could have it banned.
    """

    why: str
    stale: bool = False
    guess: str = field(default="", compare=False)


class _Counts:
    """The nonce counts seen with one nonce."""

    __slots__ = ("highest", "issued", "seen")

    def __init__(self, issued: int) -> None:
        self.issued, self.highest, self.seen = issued, 0, 0

    def take(self, count: int) -> bool:
        """Note a count; False if it was seen before or is too far back to know."""
        if count > self.highest:
            self.seen = (
                ((self.seen << (count - self.highest)) | 1) & ((1 << REPLAY_WINDOW) - 1)
                if (count - self.highest < REPLAY_WINDOW)
                else 1
            )
            self.highest = count
            return True
        back = self.highest - count
        if back >= REPLAY_WINDOW or self.seen >> back & 1:
            return False
        self.seen |= 1 << back
        return True


class DigestServer:
    """Challenges requests and checks the answers, for one realm.

    ``secret`` signs the nonces. ``life`` is how long a nonce is good, in seconds.
    ``rfc2069`` also takes MD5 answers without qop, each nonce once. At most
    ``most_nonces`` used nonces are remembered; when one must be forgotten, all
    that were issued up to then and are not remembered become stale, so that a
    full memory never lets a replay through. The same holds for all nonces
    older than this object.
    """

    def __init__(
        self,
        secret: bytes,
        ids: Ids,
        realm: str,
        *,
        life: float = NONCE_LIFE,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
        rfc2069: bool = False,
        most_nonces: int = MOST_NONCES,
    ) -> None:
        self.realm = realm
        self._secret = secret
        self._ids, self._life, self._rfc2069 = ids, round(life * 1000), rfc2069
        self.offer(algorithms)
        self._most_nonces = most_nonces
        self._quoted_realm = quote(realm)
        self._nobody = ids.token(256)  # the HA1 of everybody whom we do not know
        self._used: OrderedDict[str, _Counts] = OrderedDict()
        self._floor: int | None = None

    def offer(self, algorithms: tuple[str, ...]) -> None:
        """Offer these algorithms, in this order, and take no other from now on."""
        assert all(name in ALGORITHMS for name in algorithms), f"unknown algorithm in {algorithms}"
        self._algorithms = algorithms

    def __len__(self) -> int:
        """How many used nonces are remembered."""
        return len(self._used)

    def challenge(self, now: float, source: str, stale: bool = False) -> list[str]:
        """Return the WWW-Authenticate (or Proxy-Authenticate) values for a request from the address ``source``.

        The same for known and unknown users; one nonce for all algorithms.
        """
        issued = self._issue_time(now)
        stamp = f"{issued:012x}{self._ids.token(40)}"
        head = f'Digest realm={self._quoted_realm}, nonce="{stamp}{self._sign(stamp, source)}", qop="auth", algorithm='
        tail = ", stale=true" if stale else ""
        return [f"{head}{algorithm}{tail}" for algorithm in self._algorithms]

    def check(
        self,
        request: Request,
        credentials_of: Callable[[str], Mapping[str, str] | None],
        source: str,
        now: float,
        header: str = "Authorization",
    ) -> Allowed | Denied:
        """Tell who sent the request. ``credentials_of(user)`` returns HA1 by algorithm, or None for an unknown user.

        Unknown users cost the same work and get the same answer as wrong passwords.
        """
        found = self._find(request, header)
        if isinstance(found, Denied):
            return found
        params = found.params
        nonce, answer, user, uri = (params.get(name, "") for name in ("nonce", "response", "username", "uri"))
        if not (nonce and answer and user and uri):
            return Denied("credentials are incomplete")
        algorithm = _BY_UPPER.get(params.get("algorithm", "MD5").upper())
        if algorithm is None or algorithm not in self._algorithms:
            return Denied("algorithm was not offered")
        qop = self._protection(params, algorithm)
        if isinstance(qop, Denied):
            return qop
        if not _names(uri, request.uri):
            return Denied("uri is not the Request-URI")

        known = (credentials_of(user) or {}).get(algorithm)
        expected = digest_response(algorithm, known or self._nobody, nonce, method=request.method, uri=uri, qop=qop)
        right = hmac.compare_digest(expected.encode(), answer.lower().encode("utf-8", "replace"))
        if not right or known is None:
            return Denied("wrong user or password", guess=user if self._is_ours(nonce, source) else "")
        return self._spend(nonce, int(qop[1], 16) if qop else 1, source, now) or Allowed(user, algorithm)

    def _find(self, request: Request, header: str) -> Credentials | Denied:
        """Return the Digest credentials for our realm."""
        lines = request.headers.all(header)
        for line in lines:
            credentials = parse_credentials(line)
            if isinstance(credentials, ParseError):
                return Denied("credentials are malformed")
            if credentials.scheme.lower() == "digest" and credentials.params.get("realm") == self.realm:
                return credentials
        return Denied("credentials are for another realm" if lines else "no credentials")

    def _protection(self, params: Mapping[str, str], algorithm: str) -> tuple[str, str, str] | Denied | None:
        if "qop" not in params:
            return None if self._rfc2069 and algorithm == "MD5" else Denied("qop is missing")
        qop, count, cnonce = params["qop"], params.get("nc", ""), params.get("cnonce", "")
        if qop.lower() != "auth":
            return Denied("qop was not offered")  # auth-int: phones and middleboxes change bodies
        if not _is_count(count) or not cnonce:
            return Denied("nonce count or cnonce is missing or malformed")
        return (qop, count, cnonce)

    def _spend(self, nonce: str, count: int, source: str, now: float) -> Denied | None:
        """Judge the nonce of a right answer, and note its count when it is good."""
        millis = self._issue_time(now)
        if not self._is_ours(nonce, source):
            return Denied("nonce is not ours or not for this address", stale=True)
        issued = int(nonce[:12], 16)
        if not 0 <= millis - issued < self._life:
            return Denied("nonce has expired", stale=True)
        counts = self._used.get(nonce)
        if counts is None:
            assert self._floor is not None
            if issued < self._floor:
                return Denied("nonce is older than our memory", stale=True)
            counts = self._remember(nonce, issued, millis)
        if not counts.take(count):
            # The client may well be honest, and only repeat its counts: let it have a new nonce.
            return Denied("nonce count was used before", stale=True)
        return None

    def _is_ours(self, nonce: str, source: str) -> bool:
        signed = self._sign(nonce[:20], source)
        return hmac.compare_digest(signed.encode(), nonce[20:].encode("utf-8", "replace"))

    def _remember(self, nonce: str, issued: int, millis: int) -> _Counts:
        used = self._used
        while used:
            oldest = next(iter(used.values())).issued
            expired = millis - oldest >= self._life
            if not expired and len(used) < self._most_nonces:
                break
            if not expired:
                self._floor = max(self._floor or 0, oldest + 1)
            used.popitem(last=False)
        counts = used[nonce] = _Counts(issued)
        return counts

    def _issue_time(self, now: float) -> int:
        millis = int(now * 1000)
        if self._floor is None:
            self._floor = millis
        return millis

    def _sign(self, stamp: str, source: str) -> str:
        text = f"{stamp} {source} {self.realm}".encode("utf-8", "replace")
        return hmac.digest(self._secret, text, "sha256").hex()[:32]


def _is_count(text: str) -> bool:
    return len(text) == 8 and all(letter in "0123456789abcdefABCDEF" for letter in text)


def _names(text: str, uri: Uri) -> bool:
    """Whether the digest's uri is the request's, spelled as it may be (RFC 3261 section 22.4)."""
    if text == str(uri):
        return True
    parsed = parse_uri(text)
    return not isinstance(parsed, ParseError) and equivalent(parsed, uri)


# Client -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """The challenge will not be answered; ``why`` is for the log."""

    why: str


class DigestClient:
    """Answers challenges with the account of one trunk.

    Give ``password``, or ``ha1s`` by algorithm together with ``realm``. With a
    ``realm`` no other is answered: a peer must not be able to ask for the
    credentials of a third party. A request is tried again at most twice.
    """

    def __init__(
        self,
        user: str,
        *,
        password: str | None = None,
        ha1s: Mapping[str, str] | None = None,
        realm: str | None = None,
    ) -> None:
        assert (password is None) != (ha1s is None), "give a password or ha1s"
        assert ha1s is None or realm is not None, "ha1s are good for one realm only"
        self.user, self.realm = user, realm
        self._password, self._ha1s = password, ha1s
        self._uses: OrderedDict[str, int] = OrderedDict()

    def answer(self, response: Response, request: Request, ids: Ids) -> tuple[str, str] | Refused:
        """Return name and value of the header that answers a 401 or 407 to ``request``, to go into its next try.

        The caller increments CSeq. ``request`` is as it was sent, so that its own credentials show earlier tries.
        """
        asks, answers = (
            ("Proxy-Authenticate", "Proxy-Authorization")
            if response.status == 407
            else ("WWW-Authenticate", "Authorization")
        )
        chosen = self._choose(response.headers.all(asks))
        if isinstance(chosen, Refused):
            return chosen
        algorithm, challenge = chosen
        realm, nonce = challenge.params["realm"], challenge.params["nonce"]
        attempt = _attempts(request.headers.all(answers), realm) + 1
        if attempt > 1 and challenge.params.get("stale", "").lower() != "true":
            return Refused("credentials were not accepted")
        if attempt > 2:
            return Refused("the nonce keeps changing")

        secret = self._secret(algorithm, realm)
        uri = str(request.uri)
        params = {"username": self.user, "realm": realm, "nonce": nonce, "uri": uri}
        qop = None
        if "qop" in challenge.params:
            # The first letter of our own cnonce tells which try this is: no state is kept per request.
            qop = ("auth", f"{self._use(nonce):08x}", f"{attempt}{ids.token(60)}")
            params |= {"qop": qop[0], "nc": qop[1], "cnonce": qop[2]}
        params["response"] = digest_response(algorithm, secret, nonce, method=request.method, uri=uri, qop=qop)
        if "algorithm" in challenge.params:
            params["algorithm"] = algorithm
        if "opaque" in challenge.params:
            params["opaque"] = challenge.params["opaque"]
        return answers, format_credentials("Digest", params)

    def _choose(self, lines: list[str]) -> tuple[str, Challenge] | Refused:
        """Return the strongest challenge that we can and may answer, and its algorithm."""
        offers: dict[str, Challenge] = {}
        why = "no challenge"
        for line in lines:
            challenge = parse_challenge(line)
            if isinstance(challenge, ParseError) or challenge.scheme.lower() != "digest":
                why = "not a Digest challenge"
                continue
            params = challenge.params
            algorithm = _BY_UPPER.get(params.get("algorithm", "MD5").upper())
            if "realm" not in params or not params.get("nonce"):
                why = "challenge without realm or nonce"
            elif self.realm is not None and params["realm"] != self.realm:
                why = "challenge of a foreign realm"
            elif algorithm is None or (self._ha1s is not None and algorithm not in self._ha1s):
                why = "unknown algorithm"
            elif "qop" in params and "auth" not in [word.strip().lower() for word in params["qop"].split(",")]:
                why = "unknown qop"
            else:
                offers.setdefault(algorithm, challenge)
        for algorithm in ALGORITHMS:
            if algorithm in offers:
                return algorithm, offers[algorithm]
        return Refused(why)

    def _secret(self, algorithm: str, realm: str) -> str:
        if self._ha1s is not None:
            return self._ha1s[algorithm]
        return ha1(algorithm, self.user, realm, self._password or "")

    def _use(self, nonce: str) -> int:
        """Count the uses of a nonce: some servers hand out the same one to many requests."""
        count = self._uses.pop(nonce, 0) + 1
        self._uses[nonce] = count
        if len(self._uses) > 64:
            self._uses.popitem(last=False)
        return count


def _attempts(lines: list[str], realm: str) -> int:
    """Return how many tries the credentials of a request show for this realm."""
    for line in lines:
        credentials = parse_credentials(line)
        if not isinstance(credentials, ParseError) and credentials.params.get("realm") == realm:
            first = credentials.params.get("cnonce", "2")[:1]
            return 1 if first == "1" else 2
    return 0
