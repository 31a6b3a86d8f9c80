from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.grammar import ParseError, format_params, parse_number, parse_params, quote, split_list, unquote
from softswitch.sip.headers import (
    PLAIN_NAME_ADDR,
    Credentials,
    CSeq,
    Headers,
    MediaType,
    NameAddr,
    Via,
    format_challenge,
    format_credentials,
    parse_challenge,
    parse_credentials,
    parse_cseq,
    parse_media_type,
    parse_name_addr,
    parse_name_addrs,
    parse_tokens,
    parse_via,
    parse_vias,
)
from softswitch.sip.uri import Uri
from tests.sip.strategies import name_addrs, params, quotable, tokens, vias


def address(text: str) -> NameAddr:
    parsed = parse_name_addr(text)
    assert isinstance(parsed, NameAddr), parsed
    return parsed


def via(text: str) -> Via:
    parsed = parse_via(text)
    assert isinstance(parsed, Via), parsed
    return parsed


# -- the multimap


def test_names_are_found_in_any_case_and_in_their_compact_form():
    headers = Headers([("v", "SIP/2.0/UDP a"), ("CALL-ID", "x")])
    assert headers.get("via") == headers.get("V") == headers.get("Via") == "SIP/2.0/UDP a"
    assert headers.get("i") == headers.get("call-id") == "x"
    assert "Call-Id" in headers
    assert list(headers.items()) == [("Via", "SIP/2.0/UDP a"), ("Call-ID", "x")]


def test_an_unknown_name_is_kept_word_by_word_with_capitals():
    headers = Headers([("x-office-ID", "1")])
    assert list(headers.items()) == [("X-Office-Id", "1")]
    assert headers.get("X-OFFICE-id") == "1"


def test_lines_of_one_name_keep_their_order_and_a_prepended_one_comes_first():
    headers = Headers([("Via", "b"), ("Subject", "s"), ("Via", "c")])
    headers.prepend("v", "a")
    assert headers.all("Via") == ["a", "b", "c"]
    assert headers.get("Via") == "a"
    assert len(headers) == 4


def test_set_puts_one_value_in_the_place_of_all():
    headers = Headers([("Route", "<sip:a;lr>"), ("Route", "<sip:b;lr>")])
    headers.set("route", "<sip:c;lr>")
    assert headers.all("Route") == ["<sip:c;lr>"]


def test_a_removed_field_is_gone_and_removing_nothing_is_no_fault():
    headers = Headers([("Subject", "x")])
    headers.remove("s")
    headers.remove("Subject")
    assert "Subject" not in headers
    assert headers.get("Subject") is None
    assert headers.all("Subject") == []


def test_a_copy_is_independent():
    headers = Headers([("Subject", "x")])
    copy = headers.copy()
    copy.add("Subject", "y")
    assert headers.all("Subject") == ["x"]
    assert copy.all("Subject") == ["x", "y"]


def test_values_may_be_given_as_what_they_mean():
    headers = Headers()
    headers.set("CSeq", CSeq(7, "INVITE"))
    headers.set("Expires", 60)
    headers.set("Contact", NameAddr(None, Uri(host="h")))
    assert list(headers.items()) == [("CSeq", "7 INVITE"), ("Expires", "60"), ("Contact", "<sip:h>")]


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nInjected: yes", "a\0b", "lone surrogate \ud800"])
def test_a_value_that_would_break_the_message_is_refused(text):
    headers = Headers()
    for change in (headers.set, headers.add, headers.prepend):
        with pytest.raises(ValueError, match=r"CR, LF|surrogate"):
            change("Subject", text)
    assert "Subject" not in headers


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ü"])
def test_a_name_that_is_no_token_is_refused(name):
    with pytest.raises(ValueError, match="token"):
        Headers().set(name, "x")


def test_a_line_break_in_a_display_name_is_refused_when_it_is_set():
    with pytest.raises(ValueError, match="CR, LF"):
        Headers().set("From", NameAddr("Bob\r\nX: y", Uri(host="h")))


def test_a_parsed_value_follows_every_change_of_the_text():
    headers = Headers([("Via", "SIP/2.0/UDP a")])
    assert [one.host for one in headers.values("Via", parse_vias)] == ["a"]
    headers.prepend("Via", "SIP/2.0/UDP b, SIP/2.0/TCP c")
    assert [one.host for one in headers.values("Via", parse_vias)] == ["b", "c", "a"]
    headers.set("Via", "SIP/2.0/UDP d")
    assert [one.host for one in headers.values("Via", parse_vias)] == ["d"]
    headers.remove("Via")
    assert headers.values("Via", parse_vias) == ()


def test_a_malformed_value_reads_as_absent():
    headers = Headers([("From", "<>"), ("Contact", "<sip:a>"), ("Contact", "<")])
    assert headers.value("From", parse_name_addr) is None
    assert headers.values("Contact", parse_name_addrs) == ()


@given(st.text(max_size=20))
def test_looking_for_any_name_is_harmless(name):
    headers = Headers([("Subject", "x")])
    assert headers.get(name) in (None, "x")
    assert (name in headers) == (headers.get(name) is not None)


# -- addresses


@given(name_addrs)
def test_an_address_reads_back_as_it_was_written(value):
    assert parse_name_addr(str(value)) == value


@given(st.text(max_size=40) | st.text('<>"\\;,= sip:@a', max_size=40))
def test_no_text_raises_in_any_field_parser(text):
    for parse in (parse_name_addr, parse_name_addrs, parse_via, parse_vias, parse_cseq, parse_tokens):
        parse(text)
    for parse in (parse_media_type, parse_credentials, split_list, parse_params, parse_number, unquote):
        parse(text)


@given(st.from_regex(PLAIN_NAME_ADDR, fullmatch=True))
def test_what_the_parser_takes_for_a_plain_address_is_one(text):
    plain = parse_name_addr(text)
    assert isinstance(plain, NameAddr)
    assert parse_name_addrs(text) == (plain,)


def test_parameters_inside_the_brackets_are_the_uris_and_outside_the_fields():
    inside, outside = address("<sip:a@h;x=1>;y=2"), address("sip:a@h;x=1")
    assert (inside.uri.params, inside.params) == ((("x", "1"),), (("y", "2"),))
    assert (outside.uri.params, outside.params) == ((), (("x", "1"),))


def test_a_quoted_name_is_unescaped_and_written_escaped():
    value = address(r'"J Rosenberg \\\"" <sip:a@h>')
    assert value.display == 'J Rosenberg \\"'
    assert str(value) == r'"J Rosenberg \\\"" <sip:a@h>'


def test_a_name_of_several_tokens_needs_no_quotes_and_no_space_before_the_bracket():
    assert address("Jan  Janak<sip:a@h>").display == "Jan  Janak"
    assert address("Доб. 101 (зал) <sip:a@h>").display == "Доб. 101 (зал)"
    assert address("<sip:a@h>").display is None


def test_white_space_may_stand_round_every_separator():
    value = address("<sip:a@h>  ;\ttag = x ; y")
    assert (value.tag, value.param("y"), value.param("z")) == ("x", "", None)


def test_parameter_names_have_no_case_and_values_have():
    assert address("<sip:a@h>;TAG=AbC").tag == "AbC"


def test_a_base64_tag_keeps_its_equals_signs():
    assert address("<sip:a@h>;tag=YWJj==").tag == "YWJj=="


def test_an_empty_tag_is_no_tag():
    assert address("sip:blb@iptel.org;tag=").tag is None


def test_a_feature_tag_is_written_with_its_quotation_marks():
    # RFC 3840 section 9; RFC 5626 section 4.1
    text = '<sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=1;methods="INVITE"'
    assert str(address(text)) == text


def test_a_parameter_is_replaced_in_its_place_or_appended():
    value = address("<sip:a@h>;x=1;y")
    assert str(value.with_param("x", "2").with_param("tag", "t")) == "<sip:a@h>;x=2;y;tag=t"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "<sip:a@h",
        "sip:a@h>",
        '"Mr. J. User <sip:j.user@example.com>',  # RFC 4475 section 3.1.2.6
        '"Watson, Thomas" < sip:t.watson@example.org >',  # RFC 4475 section 3.1.2.14
        "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",  # RFC 4475 section 3.1.2.15
        "sip:user@example.com?Route=%3Csip:sip.example.com%3E",  # RFC 4475 section 3.1.2.13
        "sip:a,b@h",
        "<sip:a@h>;",
        "<sip:a@h>;;x",
        "<sip:a@h>x",
        "<sip:a@h>;tag=a;tag=b",
        "<sip:a@h>;tag=a;TAG=b",
        "<sip:a@h>" + ";p%d" * 65 % tuple(range(65)),
        '<sip:a@h>;x="y',
    ],
)
def test_malformed_addresses_are_answered_with_an_error(text):
    assert isinstance(parse_name_addr(text), ParseError)


def test_commas_inside_quotes_brackets_and_uris_do_not_split_a_list():
    parsed = parse_name_addrs('"a, b" <sip:x,y@h> , "\\"," <sip:c@h>;p="q,r",sip:d@h')
    assert isinstance(parsed, tuple)
    assert [(one.display, one.uri.user) for one in parsed] == [("a, b", "x,y"), ('",', "c"), (None, "d")]


@pytest.mark.parametrize("text", [",", "<sip:a>,", ",<sip:a>", "<sip:a>,,<sip:b>", '"a,b', "<a,b"])
def test_a_list_with_an_empty_or_open_value_is_malformed(text):
    assert isinstance(parse_name_addrs(text), ParseError)


def test_a_list_of_far_too_many_values_is_not_read_to_its_end():
    assert len(parse_name_addrs(",".join(["<sip:a>"] * 128))) == 128
    assert isinstance(parse_name_addrs(",".join(["<sip:a>"] * 129)), ParseError)
    assert split_list("a,b,c,,", most=2) == ["a", "b", "c"]
    lines = Headers([("P-Asserted-Identity", ",".join(["<sip:a>"] * 100))] * 3)
    assert lines.values("P-Asserted-Identity", parse_name_addrs) == ()


# -- Via, CSeq and others


@given(vias)
def test_a_via_reads_back_as_it_was_written(value):
    assert parse_via(str(value)) == value


def test_a_via_may_have_white_space_between_all_its_parts():
    # RFC 4475 section 3.1.1.1
    value = via("SIP  / 2.0  / TCP     spindle.example.com   ;  branch  =   z9hG4bK9ikj8")
    assert value == Via("TCP", "spindle.example.com", None, (("branch", "z9hG4bK9ikj8"),))


def test_rport_without_a_value_is_zero_and_without_the_parameter_none():
    assert via("SIP/2.0/UDP h;rport").rport == 0
    assert via("SIP/2.0/UDP h;rport=").rport == 0
    assert via("SIP/2.0/UDP h;rport=5070").rport == 5070
    assert via("SIP/2.0/UDP h").rport is None


def test_received_is_the_same_address_with_and_without_brackets():
    # RFC 5118 section 4.5
    assert via("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255]").received == "2001:db8::9:255"
    assert via("SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255").received == "2001:db8::9:255"


def test_received_and_rport_are_filled_in():
    value = via("SIP/2.0/UDP h;rport;branch=b").with_param("rport", "5070").with_param("received", "192.0.2.1")
    assert str(value) == "SIP/2.0/UDP h;rport=5070;branch=b;received=192.0.2.1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP 192.0.2.15;;,;,,",  # RFC 4475 section 3.1.2.1
        "SIP/7.0/UDP h",
        "SIP/2.0 UDP h",
        "SIP/2.0/UDP h:65536",
        "SIP/2.0/UDP 2001:db8::1",
        "SIP/2.0/UDP [2001:db8::1",
        "SIP/2.0/UDP h;branch=a;branch=b",
    ],
)
def test_malformed_vias_are_answered_with_an_error(text):
    assert isinstance(parse_via(text), ParseError)


@given(st.integers(0, 2**32 - 1), tokens)
def test_a_cseq_reads_back_as_it_was_written(number, method):
    assert parse_cseq(str(CSeq(number, method))) == CSeq(number, method)


@pytest.mark.parametrize("text", ["", "1", "INVITE", "-1 INVITE", "1 IN VITE", "4294967296 INVITE", "9" * 5000 + " X"])
def test_malformed_cseqs_are_answered_with_an_error(text):
    assert isinstance(parse_cseq(text), ParseError)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("0068", 68), ("4294967295", 2**32 - 1), ("0" * 5000 + "7", 7)],
)
def test_numbers_may_have_leading_zeros(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", "-1", "+5", "0x10", "5, 5", "1.0", "٣", "²", "4294967296", "9" * 5000])
def test_what_is_not_decimal_digits_or_too_much_is_no_number(text):
    assert parse_number(text) is None


def test_tokens_are_split_and_an_empty_field_is_an_empty_list():
    assert parse_tokens("100rel ,timer,\treplaces") == ("100rel", "timer", "replaces")
    assert parse_tokens("") == ()
    assert isinstance(parse_tokens("a,,b"), ParseError)
    assert isinstance(parse_tokens("a b"), ParseError)


def test_a_media_type_has_no_case_and_its_parameters_are_unquoted():
    assert parse_media_type('Multipart/MIXED ; boundary="a b"') == MediaType("multipart/mixed", (("boundary", "a b"),))


@given(params)
def test_parameters_read_back_as_they_were_written(value):
    assert parse_params(format_params(value)) == value


@given(quotable)
def test_a_quoted_string_says_what_was_quoted(text):
    assert unquote(quote(text)) == text
    assert split_list(f"{quote(text)},x") == [quote(text), "x"]


# -- credentials


def test_digest_credentials_are_read():
    parsed = parse_credentials(
        'Digest username="bob", realm="a, b",nonce="x\\"y" , uri="sip:h", response="00", NC=00000001, qop=auth'
    )
    assert parsed == Credentials(
        "Digest",
        {
            "username": "bob",
            "realm": "a, b",
            "nonce": 'x"y',
            "uri": "sip:h",
            "response": "00",
            "nc": "00000001",
            "qop": "auth",
        },
    )


def test_a_scheme_that_nobody_knows_is_read_all_the_same():
    # RFC 4475 section 3.3.7
    assert parse_credentials("NoOneKnowsThisScheme opaque-data=here") == Credentials(
        "NoOneKnowsThisScheme", {"opaque-data": "here"}
    )
    assert parse_credentials("Negotiate") == Credentials("Negotiate")
    assert parse_credentials("Bearer aGVsbG8=") == Credentials("Bearer", token="aGVsbG8=")


@pytest.mark.parametrize(
    "text", ["", '"x"', 'Digest realm="a', "Digest a=b c=d", "Digest ,", "Digest a=b,", 'Digest uri="a",uri="b"']
)
def test_malformed_credentials_are_answered_with_an_error(text):
    assert isinstance(parse_credentials(text), ParseError)


def test_a_challenge_has_quotes_where_rfc_7616_wants_them_and_nowhere_else():
    text = format_challenge(
        "Digest",
        {"realm": "office", "nonce": "n", "qop": "auth", "algorithm": "SHA-256", "stale": "true"},
    )
    assert text == 'Digest realm="office", nonce="n", qop="auth", algorithm=SHA-256, stale=true'


def test_credentials_have_quotes_where_rfc_7616_wants_them_and_nowhere_else():
    text = format_credentials("Digest", {"username": 'a"b', "qop": "auth", "nc": "00000001", "algorithm": "MD5"})
    assert text == 'Digest username="a\\"b", qop=auth, nc=00000001, algorithm=MD5'


@given(st.dictionaries(tokens.map(str.lower), quotable, min_size=1, max_size=4))
def test_a_challenge_reads_back_as_it_was_written(values):
    values = {name: value for name, value in values.items() if name not in ("stale", "algorithm", "userhash")}
    assert parse_challenge(format_challenge("Digest", values)) == Credentials("Digest", values)
