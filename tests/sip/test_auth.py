"""Digest: the vectors of RFC 7616 and 2617, what a server must refuse, what a client must not give away."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from softswitch.ids import Ids
from softswitch.sip.auth import Allowed, Denied, DigestClient, DigestServer, Refused, digest_response, ha1
from softswitch.sip.headers import Headers, format_credentials, parse_credentials
from softswitch.sip.message import Request, Response
from softswitch.sip.uri import Uri, parse_uri

REALM = "office.example"
HOME, AWAY = "192.0.2.1", "203.0.113.66"


def register(authorization: str | None = None, *, method: str = "REGISTER", uri: Uri | None = None) -> Request:
    headers = Headers([("CSeq", f"1 {method}"), ("Call-ID", "c")])
    if authorization is not None:
        headers.add("Authorization", authorization)
    return Request(method, uri or Uri(host="office.example"), headers)


def people(user: str) -> Mapping[str, str] | None:
    """101 and 102 have both kinds of HA1, 103 only the old one; nobody else exists."""
    if user not in ("101", "102", "103"):
        return None
    kinds = ("MD5",) if user == "103" else ("SHA-256", "MD5")
    return {kind: ha1(kind, user, REALM, f"secret-{user}") for kind in kinds}


def server(**options: object) -> DigestServer:
    return DigestServer(b"key", Ids(1), REALM, **options)  # type: ignore[arg-type]


def answered(
    challenge: str, *, user: str = "101", password: str | None = None, method: str = "REGISTER", **changes: str | None
) -> Request:
    """Return a request that answers the challenge, with some parameters changed or (None) left out afterwards."""
    asked = parse_credentials(challenge)
    assert not hasattr(asked, "offset")
    params = {
        "username": user,
        "realm": asked.params["realm"],
        "nonce": asked.params["nonce"],
        "uri": "sip:office.example",
        "algorithm": asked.params["algorithm"],
        "qop": "auth",
        "nc": changes.get("nc") or "00000001",
        "cnonce": "client",
    }
    algorithm = params["algorithm"]
    secret = ha1(algorithm, user, params["realm"], f"secret-{user}" if password is None else password)
    qop = None if changes.get("qop", "") is None else (params["qop"], params["nc"], params["cnonce"])
    params["response"] = digest_response(algorithm, secret, params["nonce"], method=method, uri=params["uri"], qop=qop)
    for name, value in changes.items():
        if value is None:
            params.pop(name)
        else:
            params[name] = value
    return register(format_credentials("Digest", params), method=method)


class TestVectors:
    @pytest.mark.parametrize(
        ("algorithm", "expected"),
        [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ],
    )
    def test_rfc_7616_section_3_9_1(self, algorithm: str, expected: str) -> None:
        secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
        nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
        qop = ("auth", "00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
        assert digest_response(algorithm, secret, nonce, method="GET", uri="/dir/index.html", qop=qop) == expected

    def test_rfc_2617_section_3_5(self) -> None:
        secret = ha1("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life")
        nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
        qop = ("auth", "00000001", "0a4f113b")
        value = digest_response("MD5", secret, nonce, method="GET", uri="/dir/index.html", qop=qop)
        assert value == "6629fae49393a05397450978507c4ef1"

    def test_rfc_2069_form_without_qop(self) -> None:
        # The example of RFC 2069 section 2.4 with the response of its errata.
        secret = ha1("MD5", "Mufasa", "testrealm@host.com", "CircleOfLife")
        nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
        value = digest_response("MD5", secret, nonce, method="GET", uri="/dir/index.html", qop=None)
        assert value == "1949323746fe6a43ef61f9606e7febea"


class TestServer:
    def test_challenge_offers_sha_256_first_then_md5_with_one_nonce(self) -> None:
        first, second = (parse_credentials(value) for value in server().challenge(0.0, HOME))
        assert (first.params["algorithm"], second.params["algorithm"]) == ("SHA-256", "MD5")
        assert first.params["nonce"] == second.params["nonce"]
        assert {key: first.params[key] for key in ("realm", "qop")} == {"realm": REALM, "qop": "auth"}
        assert "stale" not in first.params

    def test_each_challenge_has_a_nonce_of_its_own_and_of_one_length(self) -> None:
        guard = server()
        nonces = {parse_credentials(guard.challenge(0.0, HOME)[0]).params["nonce"] for _ in range(100)}
        assert len(nonces) == 100
        assert {len(nonce) for nonce in nonces} == {52}

    @pytest.mark.parametrize(("which", "algorithm"), [(0, "SHA-256"), (1, "MD5")])
    def test_right_answer_is_allowed_and_tells_the_algorithm(self, which: int, algorithm: str) -> None:
        guard = server()
        request = answered(guard.challenge(0.0, HOME)[which])
        assert guard.check(request, people, HOME, 0.1) == Allowed("101", algorithm)

    def test_person_without_the_strong_hash_gets_in_by_md5_only(self) -> None:
        guard = server()
        strong, weak = guard.challenge(0.0, HOME)
        assert guard.check(answered(strong, user="103"), people, HOME, 0.1) == Denied("wrong user or password")
        assert guard.check(answered(weak, user="103"), people, HOME, 0.1) == Allowed("103", "MD5")

    def test_md5_is_refused_where_it_was_not_offered(self) -> None:
        weak = server().challenge(0.0, HOME)[1]
        strict = server(algorithms=("SHA-256",))
        assert strict.check(answered(weak), people, HOME, 0.1) == Denied("algorithm was not offered")

    def test_another_offer_counts_from_then_on_for_nonces_given_before(self) -> None:
        guard = server(algorithms=("MD5",))
        (weak,) = guard.challenge(0.0, HOME)
        guard.offer(("SHA-256",))
        assert guard.check(answered(weak), people, HOME, 0.1) == Denied("algorithm was not offered")
        (strong,) = guard.challenge(0.2, HOME)
        assert guard.check(answered(strong), people, HOME, 0.3) == Allowed("101", "SHA-256")

    def test_a_wrong_answer_is_a_guess_only_of_who_had_our_challenge_at_this_address(self) -> None:
        guard = server()
        wrong = answered(guard.challenge(0.0, HOME)[0], password="guess")
        guesses = [guard.check(wrong, people, source, 0.1) for source in (HOME, "203.0.113.9")]
        assert [guess.guess for guess in guesses if isinstance(guess, Denied)] == ["101", ""]

    def test_request_without_credentials_is_denied(self) -> None:
        assert server().check(register(), people, HOME, 0.0) == Denied("no credentials")

    @pytest.mark.parametrize("text", ["Basic MTAxOng=", "Digest", "Digest =", "Digest realm=a realm=b", ""])
    def test_other_or_broken_credentials_are_denied(self, text: str) -> None:
        denied = server().check(register(text), people, HOME, 0.0)
        assert isinstance(denied, Denied)
        assert not denied.stale

    def test_unknown_user_and_wrong_password_are_denied_alike(self) -> None:
        guard = server()
        challenge = guard.challenge(0.0, HOME)[0]
        wrong = guard.check(answered(challenge, password="guess"), people, HOME, 0.1)
        unknown = guard.check(answered(challenge, user="999"), people, HOME, 0.1)
        assert wrong == unknown == Denied("wrong user or password")

    @pytest.mark.parametrize("password", ["", "secret-101 ", "SECRET-101"])
    def test_nearly_right_passwords_are_wrong(self, password: str) -> None:
        guard = server()
        request = answered(guard.challenge(0.0, HOME)[0], password=password)
        assert guard.check(request, people, HOME, 0.1) == Denied("wrong user or password")

    def test_user_names_differ_by_case(self) -> None:
        guard = server()
        request = answered(guard.challenge(0.0, HOME)[0], user="Bob", password="pw")
        known = {"bob": {"SHA-256": ha1("SHA-256", "Bob", REALM, "pw")}}
        assert guard.check(request, known.get, HOME, 0.1) == Denied("wrong user or password")

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"qop": None}, "qop is missing"),
            ({"qop": "auth-int"}, "qop was not offered"),
            ({"nc": None}, "nonce count or cnonce is missing or malformed"),
            ({"nc": "1"}, "nonce count or cnonce is missing or malformed"),
            ({"nc": "0000000g"}, "nonce count or cnonce is missing or malformed"),
            ({"cnonce": None}, "nonce count or cnonce is missing or malformed"),
            ({"algorithm": "SHA-512-256"}, "algorithm was not offered"),
            ({"algorithm": "MD5-sess"}, "algorithm was not offered"),
            ({"algorithm": None}, "wrong user or password"),
            ({"realm": "other.example"}, "credentials are for another realm"),
            ({"uri": "sip:other.example"}, "uri is not the Request-URI"),
            ({"uri": "sip:101@office.example"}, "uri is not the Request-URI"),
            ({"uri": "/"}, "uri is not the Request-URI"),
            ({"response": "0" * 64}, "wrong user or password"),
            ({"response": "ж"}, "wrong user or password"),
            ({"response": None}, "credentials are incomplete"),
            ({"username": "102"}, "wrong user or password"),
            ({"cnonce": "other"}, "wrong user or password"),
        ],
    )
    def test_changed_credentials_are_denied(self, changes: dict[str, str | None], why: str) -> None:
        guard = server()
        request = answered(guard.challenge(0.0, HOME)[0], **changes)
        assert guard.check(request, people, HOME, 0.1) == Denied(why)
        assert len(guard) == 0

    def test_answer_made_for_another_method_is_denied(self) -> None:
        guard = server()
        request = answered(guard.challenge(0.0, HOME)[0], method="INVITE")
        stolen = register(request.headers.get("Authorization"))
        assert guard.check(stolen, people, HOME, 0.1) == Denied("wrong user or password")

    def test_uri_may_be_spelled_otherwise_if_it_means_the_same(self) -> None:
        guard = server()
        request = answered(guard.challenge(0.0, HOME)[0])
        same = parse_uri("sip:OFFICE.example")
        assert isinstance(same, Uri)
        respelled = register(request.headers.get("Authorization"), uri=same)
        assert guard.check(respelled, people, HOME, 0.1) == Allowed("101", "SHA-256")

    def test_credentials_for_our_realm_are_found_among_others(self) -> None:
        guard = server()
        ours = answered(guard.challenge(0.0, HOME)[0]).headers.get("Authorization")
        request = register('Digest realm="proxy", username="x"')
        request.headers.add("Authorization", ours or "")
        assert guard.check(request, people, HOME, 0.1) == Allowed("101", "SHA-256")

    def test_hexadecimal_digits_may_be_capitals(self) -> None:
        guard = server()
        challenge = guard.challenge(0.0, HOME)[0]
        value = parse_credentials(answered(challenge).headers.get("Authorization") or "").params["response"]
        assert isinstance(guard.check(answered(challenge, response=value.upper()), people, HOME, 0.1), Allowed)


class TestNonces:
    def test_repeated_count_is_denied(self) -> None:
        guard = server()
        request = answered(guard.challenge(0.0, HOME)[0])
        guard.check(request, people, HOME, 0.1)
        assert guard.check(request, people, HOME, 0.2) == Denied("nonce count was used before", stale=True)

    def test_next_count_is_allowed(self) -> None:
        guard = server()
        challenge = guard.challenge(0.0, HOME)[0]
        for count in ("00000001", "00000002", "0000000a"):
            assert isinstance(guard.check(answered(challenge, nc=count), people, HOME, 0.1), Allowed)

    def test_counts_that_overtake_each_other_are_each_allowed_once(self) -> None:
        guard = server()
        challenge = guard.challenge(0.0, HOME)[0]
        verdicts = [
            type(guard.check(answered(challenge, nc=f"{count:08x}"), people, HOME, 0.1))
            for count in (3, 1, 2, 1, 3, 67, 4, 3, 200, 136, 137)
        ]
        # 64 below the highest are remembered: with 67 seen, 3 is too far back; with 200 seen, 136 is.
        assert verdicts == [
            Allowed,
            Allowed,
            Allowed,
            Denied,
            Denied,
            Allowed,
            Allowed,
            Denied,
            Allowed,
            Denied,
            Allowed,
        ]

    @pytest.mark.parametrize(
        ("at", "verdict"), [(59.9, Allowed("101", "SHA-256")), (60.0, Denied("nonce has expired", stale=True))]
    )
    def test_nonce_is_good_for_60_seconds(self, at: float, verdict: Allowed | Denied) -> None:
        guard = server()
        request = answered(guard.challenge(0.0, HOME)[0])
        assert guard.check(request, people, HOME, at) == verdict

    def test_nonce_is_bound_to_the_address_that_asked(self) -> None:
        guard = server()
        request = answered(guard.challenge(0.0, HOME)[0])
        assert guard.check(request, people, AWAY, 0.1) == Denied(
            "nonce is not ours or not for this address", stale=True
        )

    @pytest.mark.parametrize("nonce", ["x", "0" * 52, "ж" * 52, "000000000000abcdefgh"])
    def test_foreign_nonce_is_stale_for_those_who_know_the_password(self, nonce: str) -> None:
        guard = server()
        challenge = guard.challenge(0.0, HOME)[0]
        ours = parse_credentials(challenge).params["nonce"]
        denied = guard.check(answered(challenge.replace(ours, nonce)), people, HOME, 0.1)
        assert denied == Denied("nonce is not ours or not for this address", stale=True)

    def test_wrong_password_with_an_expired_nonce_is_not_called_stale(self) -> None:
        guard = server()
        request = answered(guard.challenge(0.0, HOME)[0], password="guess")
        assert guard.check(request, people, HOME, 100.0) == Denied("wrong user or password")

    def test_stale_is_said_in_the_challenge(self) -> None:
        assert all(value.endswith(", stale=true") for value in server().challenge(0.0, HOME, stale=True))

    def test_nothing_is_remembered_before_a_right_answer(self) -> None:
        guard = server()
        for _ in range(100):
            guard.check(answered(guard.challenge(0.0, HOME)[0], password="guess"), people, HOME, 0.1)
        assert len(guard) == 0

    def test_expired_nonces_are_forgotten(self) -> None:
        guard = server()
        for second in range(200):
            guard.check(answered(guard.challenge(float(second), HOME)[0]), people, HOME, float(second))
        assert len(guard) == 60

    def test_full_memory_makes_older_nonces_stale_instead_of_replayable(self) -> None:
        guard = server(most_nonces=3)
        requests = [answered(guard.challenge(float(n), HOME)[0]) for n in range(5)]
        waiting = answered(guard.challenge(0.5, HOME)[0])
        for request in requests:
            assert isinstance(guard.check(request, people, HOME, 5.0), Allowed)
        assert len(guard) == 3
        for request in requests:
            assert isinstance(guard.check(request, people, HOME, 6.0), Denied)
        assert guard.check(waiting, people, HOME, 6.0) == Denied("nonce is older than our memory", stale=True)

    def test_answers_to_the_server_before_a_restart_are_stale(self) -> None:
        before = server()
        request = answered(before.challenge(10.0, HOME)[0])
        before.check(request, people, HOME, 10.1)
        after = server()
        after.challenge(11.0, HOME)
        assert after.check(request, people, HOME, 12.0) == Denied("nonce is older than our memory", stale=True)

    def test_old_form_without_qop_is_taken_once_where_it_is_allowed(self) -> None:
        guard = server(rfc2069=True)
        strong, weak = guard.challenge(0.0, HOME)
        old = answered(weak, qop=None, nc=None, cnonce=None)
        assert guard.check(old, people, HOME, 0.1) == Allowed("101", "MD5")
        assert guard.check(old, people, HOME, 0.2) == Denied("nonce count was used before", stale=True)
        assert guard.check(answered(strong, qop=None), people, HOME, 0.2) == Denied("qop is missing")


def challenged(*values: str, status: int = 401) -> Response:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return Response(status, None, Headers([(name, value) for value in values]))


MD5 = 'Digest realm="trunk.example", nonce="n1", qop="auth", algorithm=MD5'
SHA = 'Digest realm="trunk.example", nonce="n2", qop="auth", algorithm=SHA-256'


class TestClient:
    def trunk(self, realm: str | None = "trunk.example") -> DigestClient:
        return DigestClient("user", password="pw", realm=realm)

    def params(self, answer: tuple[str, str] | Refused) -> Mapping[str, str]:
        assert isinstance(answer, tuple), answer
        credentials = parse_credentials(answer[1])
        assert not hasattr(credentials, "offset")
        return credentials.params

    def test_answer_names_the_strongest_algorithm_offered(self) -> None:
        params = self.params(self.trunk().answer(challenged(MD5, SHA), register(), Ids(1)))
        assert (params["algorithm"], params["nonce"]) == ("SHA-256", "n2")

    def test_unknown_algorithms_are_passed_over(self) -> None:
        odd = 'Digest realm="trunk.example", nonce="n0", qop="auth", algorithm=SHA-999'
        params = self.params(self.trunk().answer(challenged(odd, MD5), register(), Ids(1)))
        assert params["algorithm"] == "MD5"

    @pytest.mark.parametrize(("status", "name"), [(401, "Authorization"), (407, "Proxy-Authorization")])
    def test_header_fits_the_status(self, status: int, name: str) -> None:
        answer = self.trunk().answer(challenged(MD5, status=status), register(), Ids(1))
        assert isinstance(answer, tuple)
        assert answer[0] == name

    def test_challenge_without_algorithm_means_md5_and_is_answered_without(self) -> None:
        params = self.params(self.trunk().answer(challenged(MD5.replace(", algorithm=MD5", "")), register(), Ids(1)))
        assert "algorithm" not in params
        assert len(params["response"]) == 32

    def test_old_challenge_without_qop_is_answered_in_the_old_form(self) -> None:
        old = 'Digest realm="trunk.example", nonce="n1", opaque="o"'
        params = self.params(self.trunk().answer(challenged(old), register(), Ids(1)))
        assert {"qop", "nc", "cnonce"}.isdisjoint(params)
        secret = ha1("MD5", "user", "trunk.example", "pw")
        assert params["opaque"] == "o"
        assert params["response"] == digest_response(
            "MD5", secret, "n1", method="REGISTER", uri="sip:office.example", qop=None
        )

    def test_kept_hashes_serve_instead_of_the_password(self) -> None:
        hashes = {"MD5": ha1("MD5", "user", "trunk.example", "pw")}
        client = DigestClient("user", ha1s=hashes, realm="trunk.example")
        assert self.params(client.answer(challenged(SHA, MD5), register(), Ids(1)))["algorithm"] == "MD5"

    def test_foreign_realm_is_not_answered(self) -> None:
        foreign = MD5.replace("trunk.example", "evil.example")
        assert self.trunk().answer(challenged(foreign), register(), Ids(1)) == Refused("challenge of a foreign realm")

    def test_without_a_configured_realm_any_is_answered(self) -> None:
        foreign = MD5.replace("trunk.example", "any.example")
        assert self.params(self.trunk(None).answer(challenged(foreign), register(), Ids(1)))["realm"] == "any.example"

    def test_refused_credentials_are_not_sent_again(self) -> None:
        client, first = self.trunk(), register()
        answer = client.answer(challenged(MD5), first, Ids(1))
        assert isinstance(answer, tuple)
        second = register(answer[1])
        assert client.answer(challenged(MD5), second, Ids(1)) == Refused("credentials were not accepted")

    def test_stale_nonce_is_replaced_once_and_no_more(self) -> None:
        client, ids, request = self.trunk(), Ids(1), register()
        stale = MD5 + ", stale=TRUE"
        for tries in (1, 2):
            answer = client.answer(challenged(stale), request, ids)
            assert isinstance(answer, tuple), tries
            request = register(answer[1])
        assert client.answer(challenged(stale), request, ids) == Refused("the nonce keeps changing")

    def test_proxy_and_server_may_both_ask(self) -> None:
        client, ids = self.trunk(), Ids(1)
        first = client.answer(challenged(MD5, status=407), register(), ids)
        assert isinstance(first, tuple)
        request = register()
        request.headers.add(*first)
        assert isinstance(client.answer(challenged(MD5), request, ids), tuple)

    def test_nonce_that_is_handed_out_twice_is_counted(self) -> None:
        client = self.trunk()
        counts = [self.params(client.answer(challenged(MD5), register(), Ids(1)))["nc"] for _ in range(3)]
        assert counts == ["00000001", "00000002", "00000003"]

    @pytest.mark.parametrize(
        "value",
        [
            "Basic realm=x",
            "Digest",
            'Digest realm="trunk.example"',
            'Digest nonce="n"',
            MD5.replace('"auth"', '"auth-int"'),
            "",
            "Digest =,=",
        ],
    )
    def test_useless_challenges_are_refused(self, value: str) -> None:
        assert isinstance(self.trunk().answer(challenged(value), register(), Ids(1)), Refused)

    def test_response_without_challenge_is_refused(self) -> None:
        assert self.trunk().answer(challenged(), register(), Ids(1)) == Refused("no challenge")

    @given(st.text(max_size=30), st.text(max_size=30))
    def test_client_and_server_agree_for_any_user_and_password(self, user: str, password: str) -> None:
        user = user.replace("\0", "") or "x"
        guard = server()
        client = DigestClient(user, password=password, realm=REALM)
        try:
            answer = client.answer(challenged(*guard.challenge(0.0, HOME)), register(), Ids(1))
            assert isinstance(answer, tuple)
            request = register(answer[1])
        except ValueError:  # a user name with a line break cannot be written into a header
            return
        known = {user: {"SHA-256": ha1("SHA-256", user, REALM, password)}}
        assert guard.check(request, known.get, HOME, 0.1) == Allowed(user, "SHA-256")

    @given(st.text(max_size=60))
    def test_no_challenge_raises(self, text: str) -> None:
        try:
            response = challenged("Digest " + text)
        except ValueError:
            return
        self.trunk(None).answer(response, register(), Ids(1))


@given(
    st.dictionaries(
        st.sampled_from(["username", "realm", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce"]),
        st.text(max_size=20),
    )
)
def test_no_credentials_raise(params: dict[str, str]) -> None:
    guard = server(rfc2069=True)
    try:
        request = register(format_credentials("Digest", {"realm": REALM, **params}))
    except ValueError:
        return
    assert isinstance(guard.check(request, people, HOME, 0.0), Denied)


class ClientAttackerServer(RuleBasedStateMachine):
    """An honest client, an attacker who hears everything, a server with a small memory, and a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.guard = server(most_nonces=4)
        self.ids = Ids(7)
        self.client = DigestClient("101", password="secret-101", realm=REALM)
        self.challenge = self.guard.challenge(self.now, HOME)
        self.heard: list[tuple[Request, float]] = []
        self.allowed: set[str] = set()

    def ask(self, request: Request, source: str) -> Allowed | Denied:
        verdict = self.guard.check(request, people, source, self.now)
        line = request.headers.get("Authorization") or ""
        if isinstance(verdict, Allowed):
            assert source == HOME, "the attacker got in from another address"
            assert line not in self.allowed, "one answer was good for two requests"
            self.allowed.add(line)
        elif verdict.stale:
            self.now += 0.001  # the way back takes its time
            self.challenge = self.guard.challenge(self.now, HOME, stale=True)
        return verdict

    @rule()
    def client_asks_and_gets_in_after_one_new_challenge_at_most(self) -> None:
        for _ in range(2):
            answer = self.client.answer(challenged(*self.challenge), register(), self.ids)
            assert isinstance(answer, tuple)
            request = register(answer[1])
            self.heard.append((request, self.now))
            if isinstance(self.ask(request, HOME), Allowed):
                return
        raise AssertionError("an honest client was kept out")

    @rule(which=st.integers(0, 30), source=st.sampled_from([HOME, AWAY]))
    def attacker_replays(self, which: int, source: str) -> None:
        if self.heard:
            request, _ = self.heard[which % len(self.heard)]
            if (request.headers.get("Authorization") or "") in self.allowed or source == AWAY:
                assert isinstance(self.ask(request, source), Denied)

    @rule(which=st.integers(0, 30), count=st.integers(1, 300))
    def attacker_counts_up(self, which: int, count: int) -> None:
        if self.heard:
            request, _ = self.heard[which % len(self.heard)]
            heard = parse_credentials(request.headers.get("Authorization") or "")
            forged = format_credentials("Digest", {**heard.params, "nc": f"{count:08x}"})
            if forged != request.headers.get("Authorization"):
                assert isinstance(self.ask(register(forged), HOME), Denied)

    @rule(password=st.sampled_from(["", "secret-102", "guess"]))
    def attacker_guesses(self, password: str) -> None:
        request = answered(self.guard.challenge(self.now, AWAY)[0], password=password)
        assert self.ask(request, AWAY) == Denied("wrong user or password")

    @rule(seconds=st.sampled_from([0.0, 0.5, 30.0, 59.9, 60.0, 600.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.guard) <= 4


TestClientAttackerServer = ClientAttackerServer.TestCase
