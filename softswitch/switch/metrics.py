"""What a monitoring system reads of one switch, in the text format of Prometheus.

Each switch has a registry of its own. Most figures are read from the parts of
the switch at the moment of asking; what leaves no trace there (finished calls,
packets of closed ports) is counted as it happens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, get_args

from softswitch import events as facts
from softswitch.events import Event
from softswitch.media.engine import MediaEvent, PortClosed, PortStats
from softswitch.switch.scores import Scores

if TYPE_CHECKING:
    from softswitch.switch.exposition import Exposition
    from softswitch.switch.switch import Switch

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of the text that ``Metrics.text`` returns, for whoever serves it by HTTP."""

RESULTS: tuple[str, ...] = get_args(facts.Result)
"""Outcomes of a conversation; each is shown from the start, or a first failure would be no increase."""

PACKETS = ("received", "sent", "lost", "late", "duplicate", "concealed", "bad_source", "bad_packet")
"""Counters of ``PortStats`` that are summed over all ports."""


class Metrics:
    """Give ``apply`` to the bus and ``take`` what the media core tells; ``text`` may be called at any time."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._results: Counter[str] = Counter(dict.fromkeys(RESULTS, 0))
        self._recordings: Counter[str] = Counter({"finished": 0, "failed": 0})
        self._closed: Counter[str] = Counter()
        self._open: dict[int, PortStats] = {}
        self._shown: Counter[str] = Counter()
        self.scores = Scores()

    def apply(self, event: Event) -> None:
        match event:
            case facts.ConversationEnded(result=result):
                self._results[result] += 1
            case facts.RecordingFinished():
                self._recordings["finished"] += 1
            case facts.RecordingFailed():
                self._recordings["failed"] += 1

    def take(self, event: MediaEvent) -> None:
        match event:
            case PortStats(port=port, mos=mos):
                self._open[port] = event
                if mos is not None:
                    self.scores.add(mos)
            case PortClosed(port=port, stats=stats):
                self._open.pop(port, None)
                for name in PACKETS:
                    self._closed[name] += getattr(stats, name)

    def text(self) -> str:
        """Return all metrics in the text exposition format, of type ``CONTENT_TYPE``."""
        return str(self._exposition)

    @cached_property
    def _exposition(self) -> Exposition:
        from softswitch.switch.exposition import Exposition  # an eighth of a second that no start should wait for

        return Exposition(self._switch, self)

    @property
    def results(self) -> Mapping[str, int]:
        return self._results

    @property
    def recordings(self) -> Mapping[str, int]:
        return self._recordings

    def packets(self, name: str) -> int:
        """How many packets of this kind all ports have counted, those that are closed included."""
        now = self._closed[name] + sum(getattr(stats, name) for stats in self._open.values())
        # A late packet takes back a loss; to the reader a counter that falls is a switch that started anew.
        self._shown[name] = max(self._shown[name], now)
        return self._shown[name]
