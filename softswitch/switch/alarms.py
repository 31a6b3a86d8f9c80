"""The alarms that are raised: what somebody must see to, by subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from softswitch import events as facts
from softswitch.events import Event
from softswitch.log import Log

__all__ = ["Alarms"]


class Alarms(Mapping[str, str]):
    """Reads as the texts by their subjects."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._texts: dict[str, str] = {}
        self._unrecorded = ""

    def __getitem__(self, subject: str) -> str:
        return self._texts[subject]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def tell(self, subject: str, text: str | None) -> None:
        """Raise an alarm, or with None let it be over."""
        if text is None:
            if self._texts.pop(subject, None) is not None:
                self._log.info("alarm over", subject=subject)
        elif self._texts.get(subject) != text:
            self._texts[subject] = text
            self._log.error("alarm", subject=subject, text=text)

    def apply(self, event: Event) -> None:
        """Watch the recordings: a failure is over when another one was finished."""
        match event:
            case facts.RecordingFailed(path=path, error=error):
                self._unrecorded = path
                self.tell("recording", f"a recording failed: {path}: {error}")
            case facts.RecordingFinished(path=path) if path != self._unrecorded:
                self.tell("recording", None)
