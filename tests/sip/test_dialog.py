"""Dialogs by themselves: identification, order, targets, routes, and life after a crash."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.dialog import Dialog, request_uri
from softswitch.sip.events import Flow, SessionId
from softswitch.sip.message import Request, Response
from tests.sip.network import ALICE, BOB, Network, Script, uri


def invite(**more: str) -> Request:
    script = Script(Network(), BOB)
    return script.request("INVITE", script, 7, **more)


def opened(**more: str) -> Dialog:
    dialog = Dialog.of_uas(invite(**more), "ours", 41)
    assert dialog is not None
    return dialog


def test_a_callee_s_dialog_swaps_from_and_to() -> None:
    bye = opened().request("BYE")
    assert bye.headers.get("From") == "<sip:bob@office.example>;tag=ours"
    assert bye.headers.get("To") == "<sip:alice@office.example>;tag=script"
    assert (str(bye.uri), str(bye.cseq)) == ("sip:alice@192.0.2.2:5060", "42 BYE")


def test_an_ack_has_the_number_of_its_invite_and_uses_none() -> None:
    dialog = opened()
    assert str(dialog.request("ACK", 41).cseq) == "41 ACK"
    assert str(dialog.request("BYE").cseq) == "42 BYE"


def test_numbers_of_the_peer_must_rise() -> None:
    dialog = opened()
    script = Script(Network(), BOB)
    assert [dialog.in_order(script.request("INFO", script, number)) for number in (7, 8, 8, 6, 100)] == [
        False, True, False, False, True,
    ]  # fmt: skip


def test_an_invite_without_usable_contact_opens_no_dialog() -> None:
    for contact in ("<tel:+7495>", "<mailto:x@example.com>"):
        assert Dialog.of_uas(invite(Contact=contact), "ours", 1) is None


def test_a_peer_without_tag_is_of_rfc_2543() -> None:
    assert opened(From="<sip:old@example.com>").remote_tag == ""


def test_a_response_without_contact_is_answered_where_the_invite_went() -> None:
    request = invite()
    response: Response = request.reply(200, to_tag="theirs")
    assert str(Dialog.of_uac(request, response).remote_target) == "sip:bob@office.example"


def test_the_route_of_who_called_is_the_recorded_one_backwards() -> None:
    # RFC 3261 section 12.1.2: reversed for the UAC; section 12.1.1: as it stands for the UAS.
    request = invite(Record_Route="<sip:p2.example;lr>, <sip:p1.example;lr>")
    called = Dialog.of_uas(request, "ours", 1)
    assert called is not None
    assert called.request("BYE").headers.all("Route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]
    calling = Dialog.of_uac(request, request.reply(200, to_tag="theirs"))
    assert calling.request("BYE").headers.all("Route") == ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]


def test_a_resumed_dialog_leaps_over_requests_that_its_journal_may_have_missed() -> None:
    dialog = opened(Record_Route="<sip:p1.example;lr>, <sip:p2.example;lr>")
    state = dialog.state(SessionId("s"), Flow("udp", ALICE, BOB))
    again = Dialog.of_state(state)
    assert isinstance(again, Dialog)
    bye, before = again.request("BYE"), dialog.request("BYE")
    assert bye.cseq.number == before.cseq.number + 1000
    for name in ("From", "To", "Call-ID", "Route"):
        assert bye.headers.all(name) == before.headers.all(name)
    assert bye.uri == before.uri


def test_a_contact_loses_what_may_not_stand_in_a_request_line() -> None:
    assert str(request_uri(uri("sip:a@b;method=REGISTER;x=1?Subject=hi"))) == "sip:a@b;x=1"


@given(route=st.text(min_size=1, max_size=30).filter(lambda text: not set(text) & set("\r\n\0")))
def test_no_route_of_a_peer_breaks_the_dialog(route: str) -> None:
    dialog = opened()
    dialog.routes = (route,)
    request = dialog.request("BYE")
    assert request.cseq.method == "BYE"
