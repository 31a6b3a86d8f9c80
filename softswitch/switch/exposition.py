"""The figures of a switch as Prometheus knows them; loaded when somebody asks for them first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from softswitch import __version__
from softswitch.switch.ground import port_pairs
from softswitch.switch.metrics import PACKETS

if TYPE_CHECKING:
    from softswitch.switch.metrics import Metrics
    from softswitch.switch.switch import Switch

__all__ = ["Exposition"]

CORE = {
    "ring_full": "events or blocks that found a ring full",
    "out_full": "datagrams that found no room to be sent from",
    "pool_empty": "half seconds of recordings that found no memory",
    "slots_skipped": "milliseconds that were left out after a stall",
    "refused": "commands that the media core could not carry out",
    "icmp": "ICMP errors in answer to our RTP",
}


class Exposition:
    """A registry with one switch in it."""

    def __init__(self, switch: Switch, metrics: Metrics) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_View(switch, metrics))

    def __str__(self) -> str:
        return generate_latest(self._registry).decode()


class _View(Collector):
    """Reads the switch when it is asked; a switch that does not run has its past only."""

    def __init__(self, switch: Switch, metrics: Metrics) -> None:
        self._switch, self._metrics = switch, metrics

    def describe(self) -> Iterable[Metric]:
        # Without it the registry would ask for the figures of a switch that has not started.
        return ()

    def collect(self) -> Iterable[Metric]:
        switch, metrics = self._switch, self._metrics
        yield InfoMetricFamily("softswitch", "the program", {"version": __version__})
        yield _counter("softswitch_calls", "conversations that ended, by result", "result", metrics.results)
        yield _counter("softswitch_recordings", "recordings that ended", "how", metrics.recordings)
        for name in PACKETS:
            about = f"RTP packets of all ports: {name.replace('_', ' ')}"
            yield CounterMetricFamily(f"softswitch_rtp_{name}", about, metrics.packets(name))
        scores = HistogramMetricFamily("softswitch_rtp_mos", "seconds of legs by what a listener would say (MOS)")
        scores.add_metric([], *metrics.scores.histogram())
        yield scores
        if switch.running:
            yield from self._calls()
            yield from self._sip()
            yield from self._media()
            yield from self._journal()

    def _calls(self) -> Iterable[Metric]:
        switch = self._switch
        live = switch.live.conversations.values()
        now = switch.clock.utc()
        yield _gauge("softswitch_calls_live", "conversations that run", len(live))
        yield _gauge(
            "softswitch_recordings_live",
            "recordings that are being written",
            sum(1 for fold in live if fold.open_recordings),
        )
        devices = [device for device in switch.live.devices.values() if device.bound.expires_at > now]
        yield _gauge("softswitch_devices", "registered contacts", len(devices))
        yield _gauge("softswitch_devices_reachable", "those that answer", sum(device.reachable for device in devices))
        yield _gauge("softswitch_people_registered", "people with a device", len({d.bound.person for d in devices}))
        started = GaugeMetricFamily("softswitch_start_time_seconds", "when the switch started, Unix time")
        started.add_metric([], switch.started.timestamp())
        yield started
        yield _gauge("softswitch_alarms", "alarms that are raised", len(switch.alarms))

    def _sip(self) -> Iterable[Metric]:
        switch = self._switch
        traffic = CounterMetricFamily("softswitch_sip_messages", "SIP messages", labels=["direction"])
        traffic.add_metric(["received"], switch.shell.received)
        traffic.add_metric(["sent"], switch.shell.sent)
        yield traffic
        endpoint = switch.endpoint.counters
        again = CounterMetricFamily("softswitch_sip_retransmissions", "messages that came or went again", labels=["by"])
        again.add_metric(["peer"], endpoint["retransmitted request"])
        again.add_metric(["us"], endpoint["retransmission"])
        yield again
        yield _gauge("softswitch_sip_transactions", "transactions in memory", switch.endpoint.transactions)
        troubles = endpoint + switch.shell.counters
        yield _counter("softswitch_sip_troubles", "what was refused, dropped or strange", "what", troubles)

    def _media(self) -> Iterable[Metric]:
        switch = self._switch
        counters = switch.engine.counters()
        for name, about in CORE.items():
            yield CounterMetricFamily(f"softswitch_media_{name}", about, counters.get(name, 0))
        yield _gauge("softswitch_media_threads", "media threads", len(switch.engine.describe()))
        yield _gauge("softswitch_media_ports_open", "pairs of ports in use", len(switch.pool))
        yield _gauge("softswitch_media_ports", "pairs of ports that there are", port_pairs(switch.settings.rtp))
        seen, total, buckets = 0, 0.0, []
        for bound, count in switch.engine.lateness():
            seen += count
            # The moments themselves are not kept; a class reaches from half its bound to the bound.
            total += count * bound * 0.75
            buckets.append((f"{bound:g}", float(seen)))
        buckets.append(("+Inf", float(seen)))
        late = HistogramMetricFamily("softswitch_media_tick_lateness_seconds", "how late the ticks of 1 ms began")
        late.add_metric([], buckets, total)
        yield late

    def _journal(self) -> Iterable[Metric]:
        journal = self._switch.journal
        yield CounterMetricFamily("softswitch_journal_events", "events that were numbered", journal.last_seq)
        yield _gauge("softswitch_journal_lag_events", "events that the database has not yet", journal.lag)
        yield _gauge("softswitch_journal_spool_bytes", "bytes of the journal's files", journal.spool_bytes)
        yield CounterMetricFamily("softswitch_journal_lost", "events lost for want of memory and disk", journal.lost)
        unread = "events that readers were too slow for; the journal has them"
        yield CounterMetricFamily("softswitch_events_unread", unread, self._switch.bus.lost)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value)


def _counter(name: str, about: str, label: str, values: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, about, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
