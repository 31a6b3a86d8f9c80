"""The recording of one conversation: begun at the answer, finished when somebody leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from softswitch.calls.desk import Desk
from softswitch.calls.leg import Leg, LegState
from softswitch.calls.office import Office
from softswitch.errors import NotPossible
from softswitch.events import (
    Event,
    RecordingFailed,
    RecordingFinished,
    RecordingMasked,
    RecordingStarted,
    RecordingUnmasked,
)
from softswitch.ids import ConversationId
from softswitch.media.engine import MOST_TAPPED, RecordingEnded, RecordingId, RoomId, SourceId, Track
from softswitch.mixer.roles import TRACKS

__all__ = ["ConversationRecording", "tracks", "wanted"]


def tracks(legs: Iterable[Leg], *, whisper: bool) -> dict[Track, list[SourceId]]:
    """Return what of these is recorded on which track; between colleagues the caller is left, as a customer is.

    Without a ``whisper`` track what supervisors say is not recorded; with it, the first ``MOST_TAPPED`` of them are.
    """
    taps: dict[Track, list[SourceId]] = {Track.LEFT: [], Track.RIGHT: []}
    if whisper:
        taps[Track.WHISPER] = []
    for leg in legs:
        track = TRACKS.get(leg.role)
        if track is not None and leg.media is not None and Track(track) in taps:
            taps[Track(track)].append(leg.media.port)
    return {track: sources[:MOST_TAPPED] for track, sources in taps.items()}


def wanted(office: Office, talkers: Iterable[Leg]) -> bool:
    """Whether these two are recorded: a person's own setting goes before the office's, and yes before no."""
    people = office.directory.people
    wishes = {people[leg.name].record for leg in talkers if leg.party.startswith("person:") and leg.name in people} - {
        None
    }
    return True in wishes or (not wishes and office.record_all)


class ConversationRecording:
    """``path`` is relative to the recordings folder. Owned by its call; ``publish`` adds the conversation."""

    def __init__(self, desk: Desk, publish: Callable[[Event], None]) -> None:
        self._desk, self._publish = desk, publish
        self._id: RecordingId | None = None
        self._running = self._whisper = False
        self._concerns: tuple[Leg, ...] = ()
        self.masked = self.begun = False
        self.path = ""

    @property
    def open(self) -> bool:
        """Whether a file is still being written or closed."""
        return self._id is not None

    def start(
        self, conversation: ConversationId, office: Office, room: RoomId, talkers: Iterable[Leg]
    ) -> RecordingId | None:
        """Record what each of the two says; a failure to begin is told, and the call goes on."""
        self.path = f"{self._desk.utc():%Y-%m-%d}/{conversation}.wav"
        try:
            taps = tracks(talkers, whisper=office.whisper_track)
            self._id = self._desk.engine.record(room, taps, office.recordings / self.path)
        except NotPossible as error:
            self._publish(RecordingFailed(path=self.path, error=str(error)))
            return None
        self._running, self._whisper = True, office.whisper_track
        self.begun = True
        self._publish(RecordingStarted(path=self.path))
        return self._id

    def follow(self, legs: Iterable[Leg]) -> None:
        """Record these from now on, in the same file; what was masked stays masked, whoever comes."""
        concerned = tuple(legs)
        if self.masked:
            _mask((leg for leg in self._concerns if leg not in concerned), masked=False)
            _mask(concerned, masked=True)
        self._concerns = legs = concerned
        if self._id is not None and self._running:
            self._desk.engine.retrack(self._id, tracks(legs, whisper=self._whisper))

    def mask(self, *, masked: bool, by: str, via: str) -> None:
        """Keep what everybody says and presses out of the file and the timeline, or let it in again.

        Whoever presses a card's number, the other side may repeat it aloud, or send the tones back as an echo: all
        tracks fall silent. Raises NotPossible when that is so already.
        """
        if masked == self.masked:
            raise NotPossible("the recording is masked already" if masked else "the recording is not masked")
        self.masked = masked
        _mask(self._concerns, masked=masked)
        self._publish(RecordingMasked(by=by, via=via) if masked else RecordingUnmasked(by=by, via=via))

    def stop(self) -> None:
        """Finish the file; ``ended`` follows. Harmless when nothing runs."""
        if self._id is not None and self._running:
            self._running = False
            self._desk.engine.stop_recording(self._id)

    def ended(self, event: RecordingEnded) -> None:
        if event.recording != self._id:
            return
        self._id = None
        if event.error is not None:
            self._publish(RecordingFailed(path=self.path, error=event.error))
        self._publish(RecordingFinished(path=self.path, duration=event.duration))


def _mask(legs: Iterable[Leg], *, masked: bool) -> None:
    for leg in legs:
        if leg.media is not None and leg.state is not LegState.ENDED:
            leg.media.mask(masked, "conversation")
