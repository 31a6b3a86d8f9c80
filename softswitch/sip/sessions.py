"""Which session a message belongs to, and which sessions there are."""

from __future__ import annotations

from collections.abc import Iterator

from softswitch.clock import Deadlines
from softswitch.sip.events import Binding, Flow, SessionId
from softswitch.sip.message import Request, Response
from softswitch.sip.session import Session
from softswitch.sip.transactions import TransactionKey
from softswitch.sip.uas import Callee

__all__ = ["Sessions"]


class Sessions:
    """The sessions by their ids, dialogs, INVITEs and people, and when each wants to be called again."""

    def __init__(self) -> None:
        self._all: dict[SessionId, Session] = {}
        self._dialogs: dict[tuple[str, str], Session] = {}
        self._invites: dict[TransactionKey, Callee] = {}
        self._of_person: dict[str, dict[SessionId, Session]] = {}
        self._deadlines: Deadlines[SessionId] = Deadlines()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._all.values())

    def get(self, session: SessionId) -> Session | None:
        return self._all.get(session)

    def of_request(self, request: Request) -> Session | None:
        """Return the session whose dialog a request names."""
        return self._dialogs.get((request.call_id, request.to.tag or ""))

    def of_response(self, response: Response) -> Session | None:
        """Return the session whose dialog began the request of this response."""
        return self._dialogs.get((response.call_id, response.from_.tag or ""))

    def of_invite(self, key: TransactionKey) -> Callee | None:
        """Return the session that this INVITE began."""
        return self._invites.get(key)

    def adopt(self, session: Session) -> None:
        self._all[session.id] = session
        self._dialogs[session.call_id, session.local_tag] = session
        if session.peer.person is not None:
            self._of_person.setdefault(session.peer.person, {})[session.id] = session

    def began(self, callee: Callee, key: TransactionKey) -> None:
        """Note the INVITE that began a session, for a CANCEL to find."""
        self._invites[key] = callee

    def forget(self, session: Session) -> None:
        """Drop a session and what it holds. Harmless when that is done."""
        if self._all.pop(session.id, None) is None:
            return
        self._dialogs.pop((session.call_id, session.local_tag), None)
        self._deadlines.set(session.id, None)
        if isinstance(session, Callee) and session.key is not None:
            self._invites.pop(session.key, None)
        person = session.peer.person
        if person is not None:
            others = self._of_person.get(person, {})
            others.pop(session.id, None)
            if not others:
                self._of_person.pop(person, None)
        session.dissolve()

    # Time ------------------------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        return self._deadlines.next

    def expect(self, session: Session) -> None:
        """Note when a session wants to be called again, unless it has been forgotten."""
        if session.id in self._all:
            self._deadlines.set(session.id, session.deadline)

    def due(self, now: float) -> list[SessionId]:
        """Return whom to call now, each once. One may be gone by the time that its turn comes."""
        due = []
        while (session := self._deadlines.due(now)) is not None:
            due.append(session)
        return due

    # Where peers are -------------------------------------------------------------------------------------------------

    def lost(self, flow: Flow) -> None:
        """A connection is gone: who was there is sought at his Contact."""
        for session in self._all.values():
            session.peer.lost(flow)

    def follow(self, binding: Binding, before: Flow | None) -> None:
        """Let the calls of a device that registered over a new flow go there (its NAT or its connection changed)."""
        for session in self._of_person.get(binding.person, {}).values():
            flow, target = session.peer.flow, session.target
            if flow == binding.flow or target is None:
                continue
            lost = flow is None and (target.user, target.host) == (binding.contact.user, binding.contact.host)
            if lost or (flow is not None and flow == before):
                session.peer.moved(binding.flow)
