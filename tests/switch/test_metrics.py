"""What a monitoring system reads of a running switch, against what its telephones have just done."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from softswitch.events import ConversationEnded
from softswitch.ids import ConversationId
from softswitch.media.engine import PortClosed, PortId, PortStats, SourceId
from softswitch.switch.metrics import Metrics
from tests.switch.test_views import Front


def read(text: str) -> dict[str, float]:
    """Samples by name and label values, such as "softswitch_calls_total answered"."""
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def idle(tmp_path: Path) -> Metrics:
    return Metrics(Front(tmp_path).switch)


def test_a_switch_that_does_not_run_tells_its_past(idle: Metrics) -> None:
    idle.apply(ConversationEnded(conversation=ConversationId("4rt0"), result="busy"))
    told = read(idle.text())
    assert told["softswitch_calls_total busy"] == 1
    assert told["softswitch_calls_total answered"] == 0
    assert "softswitch_calls_live" not in told


def test_packets_of_closed_ports_stay_counted_and_no_counter_falls(idle: Metrics) -> None:
    one, two = PortId(SourceId(1)), PortId(SourceId(2))
    idle.take(PortStats(one, received=50, lost=3))
    idle.take(PortStats(two, received=10))
    assert (idle.packets("received"), idle.packets("lost")) == (60, 3)
    idle.take(PortClosed(one, PortStats(one, received=70, lost=1)))
    assert (idle.packets("received"), idle.packets("lost")) == (80, 3)


async def test_a_call_is_seen_while_it_lasts_and_after(tmp_path: Path) -> None:
    async with Front(tmp_path) as front:
        assert read(front.switch.metrics())["softswitch_calls_live"] == 0
        await front.talk()
        during = read(front.switch.metrics())
        await front.end()
        await front.desk.until(lambda: not len(front.switch.pool))
        after = read(front.switch.metrics())
    assert during["softswitch_calls_live"] == during["softswitch_recordings_live"] == 1
    assert during["softswitch_people_registered"] == during["softswitch_devices_reachable"] == 2
    assert during["softswitch_media_ports_open"] == 2
    assert after["softswitch_calls_live"] == after["softswitch_media_ports_open"] == 0
    assert after["softswitch_calls_total answered"] == 1
    assert after["softswitch_rtp_received_total"] >= 10
    assert after["softswitch_sip_messages_total received"] >= 10
    assert after["softswitch_journal_events_total"] > during["softswitch_journal_events_total"] > 0
    assert after["softswitch_journal_spool_bytes"] > 0
    assert after["softswitch_events_unread_total"] == 0
    ticks = after["softswitch_media_tick_lateness_seconds_count"]
    assert ticks == after["softswitch_media_tick_lateness_seconds_bucket +Inf"] > 0


async def test_two_switches_have_metrics_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with Front(tmp_path / "one") as one, Front(tmp_path / "two") as two:
        await one.talk()
        assert read(one.switch.metrics())["softswitch_calls_live"] == 1
        assert read(two.switch.metrics())["softswitch_calls_live"] == 0
        await one.end()


async def test_the_control_socket_answers_the_same_text(tmp_path: Path) -> None:
    import asyncio

    from softswitch.api.client import Client

    async with Front(tmp_path) as front:

        def ask() -> str:
            with Client(front.control) as client:
                text = client.call("metrics")
            assert isinstance(text, str)
            return text

        assert read(await asyncio.to_thread(ask)).keys() == read(front.switch.metrics()).keys()
