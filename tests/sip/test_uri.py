from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.grammar import ParseError
from softswitch.sip.uri import Uri, equivalent, parse_uri
from tests.sip.strategies import other_uris, tel_uris, uris


def parsed(text: str) -> Uri:
    uri = parse_uri(text)
    assert isinstance(uri, Uri), uri
    return uri


@given(uris() | tel_uris | other_uris)
def test_what_is_written_reads_back_the_same(uri):
    assert parse_uri(str(uri)) == uri


@given(st.text(max_size=40) | st.text('sip:@[]%;=?&.0fF<>"\\ ', max_size=40).map("sip:{}".format))
def test_no_text_raises_and_what_is_accepted_reads_back_the_same(text):
    uri = parse_uri(text)
    if isinstance(uri, Uri):
        assert parse_uri(str(uri)) == uri


@given(uris())
def test_a_uri_is_equivalent_to_itself_in_other_case_where_case_means_nothing(uri):
    shouted = parsed(str(uri).replace("sip", "SIP", 1))
    assert equivalent(shouted, uri)


def test_a_full_uri_has_all_its_parts():
    assert parsed("SIPS:alice:secret@Example.COM:5071;Transport=TCP;lr?Subject=a%20b&x=") == Uri(
        scheme="sips",
        user="alice",
        password="secret",
        host="example.com",
        port=5071,
        params=(("transport", "TCP"), ("lr", None)),
        headers=(("Subject", "a b"), ("x", "")),
    )


def test_a_host_alone_is_a_uri_without_user():
    uri = parsed("sip:192.0.2.7;transport=udp")
    assert (uri.user, uri.host, uri.port, uri.transport) == (None, "192.0.2.7", None, "udp")


def test_ipv6_brackets_are_syntax_and_not_part_of_the_host():
    uri = parsed("sip:[2001:DB8::10]:5070")
    assert (uri.host, uri.port) == ("2001:db8::10", 5070)
    assert str(uri) == "sip:[2001:db8::10]:5070"


def test_digits_inside_the_brackets_are_never_a_port():
    # RFC 5118 section 4.3
    uri = parsed("sip:[2001:db8::10:5070]")
    assert (uri.host, uri.port) == ("2001:db8::10:5070", None)


def test_three_colons_before_an_embedded_ipv4_address_are_read_as_two():
    # RFC 5118 section 4.10
    assert parsed("sip:user@[2001:db8:::192.0.2.1]").host == "2001:db8::192.0.2.1"


def test_escapes_are_undone_once():
    # RFC 4475 section 3.1.1.3: %25%34%31 is "%41", not "A".
    uri = parsed("sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31")
    assert (uri.user, uri.params) == ("caller", (("lr", None), ("name", "value%41")))


def test_an_escaped_at_sign_stays_in_the_user():
    assert parsed("sip:sips%3Auser%40example.com@example.net").user == "sips:user@example.com"


def test_an_escaped_nul_is_a_character_like_any_other():
    assert parsed("sip:null-%00-null@example.com").user == "null-\0-null"


def test_a_bare_hash_of_a_feature_code_is_taken_and_written_escaped():
    assert str(parsed("sip:*21#@example.com")) == "sip:*21%23@example.com"


def test_semicolons_before_the_at_sign_belong_to_the_user():
    # RFC 4475 section 3.1.1.9
    uri = parsed("sip:user;par=u%40example.net@example.com")
    assert (uri.user, uri.host, uri.params) == ("user;par=u@example.net", "example.com", ())


def test_tel_numbers_keep_their_separators_and_parameters():
    uri = parsed("tel:+1-201-555-0123;phone-context=example.com")
    assert (uri.scheme, uri.user, uri.host, uri.param("phone-context")) == ("tel", "+1-201-555-0123", "", "example.com")
    assert not uri.routable


def test_an_unknown_scheme_is_kept_as_it_is():
    uri = parsed("soap.beep://192.0.2.103:3002")
    assert (uri.scheme, uri.opaque, uri.host) == ("soap.beep", "//192.0.2.103:3002", "")
    assert not uri.routable
    assert str(uri) == "soap.beep://192.0.2.103:3002"


def test_a_flag_and_an_empty_value_differ_but_both_are_there():
    uri = parsed("sip:h;a;b=")
    assert uri.params == (("a", None), ("b", ""))
    assert (uri.param("a"), uri.param("b"), uri.param("c")) == ("", "", None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "sip:",
        "sip:@example.com",
        "sip:2001:db8::10",  # RFC 5118 section 4.2
        "sip:[2001:db8::10",
        "sip:[2001:db8:1]",
        "sip:[1::2::3]",
        "sip:[::192.0.2.256]",
        "sip:a@b@c",
        "sip:user@example.com; lr",  # RFC 4475 section 3.1.2.8
        "sip:user@example.com:65536",
        "sip:user@example.com:123456",
        "sip:user@example.com:",
        "sip:user@example.com;",
        "sip:user@example.com;=x",
        "sip:us er@example.com",
        "sip:us%4@example.com",
        "sip:%ff@example.com",  # an escape that is no UTF-8
        "sip:a@h" + ";p" * 65,
        "<sip:user@example.com>",
        "tel:",
        "tel:12x34",
        "9:x",
    ],
)
def test_malformed_uris_are_answered_with_an_error(text):
    assert isinstance(parse_uri(text), ParseError)


def test_the_offset_points_behind_the_scheme():
    error = parse_uri("sips:[1:2]")
    assert error == ParseError(400, 5, "malformed IPv6 address in URI")


# RFC 3261 section 19.1.4, its own examples.
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ],
)
def test_equivalent_uris_of_the_rfc(a, b):
    assert equivalent(parsed(a), parsed(b))
    assert equivalent(parsed(b), parsed(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;maddr=192.0.2.1"),
        ("sip:carol@chicago.com", "sips:carol@chicago.com"),
        ("sip:carol@chicago.com", "sip:carol:pw@chicago.com"),
        ("tel:1234;phone-context=+49", "tel:1234;phone-context=+7"),
        ("urn:a", "urn:b"),
    ],
)
def test_different_uris_of_the_rfc(a, b):
    assert not equivalent(parsed(a), parsed(b))
    assert not equivalent(parsed(b), parsed(a))
