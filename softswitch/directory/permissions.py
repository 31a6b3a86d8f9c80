"""Who may do what, to whom: the one policy function that telephones, the API and the command line ask.

It is pure: the directory in force comes with the question, so that a reload
moves what everybody may see and do at once. Whoever asks also tells the answer:
a refusal, and each use of an action in ``AUDITED``, becomes an event.

    role       his own            people of the groups he heads    everybody       the office
    employee   see, hang up, ...  -                                -               -
    head       the same           the same, and supervise          -               -
    director   the same           -                                the same        status
    admin      the same           -                                the same        status

A review concerns whoever asked for it as his own, and nobody else of those who talked; only others than he review.

Nobody supervises, hears a recording of, or reviews a person with ``monitored = false``,
whatever the role. Whispering to the customer needs ``whisper_customer = true``
too, except for directors and administrators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from softswitch.directory.people import Directory, Person, Role

__all__ = [
    "ACTIONS",
    "AUDITED",
    "OFFICE",
    "REASONS",
    "SUPERVISING",
    "Action",
    "Decision",
    "Reason",
    "Subject",
    "allowed",
    "headed",
    "heard",
    "reach",
    "reason",
    "shown",
]


class Action(StrEnum):
    """What somebody wants to do; the words are those of events and of the API's description."""

    SEE_SELF = "see own profile"
    SEE_COLLEAGUES = "see colleagues"
    FOLLOW = "follow live"
    SEE_PERSON = "see person"
    SEE_CONVERSATION = "see conversation"
    READ_TIMELINE = "read timeline"
    DOWNLOAD_RECORDING = "download recording"
    HEAR_WHISPER = "hear whisper track"
    HANG_UP = "hang up"
    MASK = "mask recording"
    INVITE_PROMPTER = "invite prompter"
    LISTEN = "listen"
    WHISPER = "whisper"
    WHISPER_TO_CUSTOMER = "whisper to customer"
    BARGE = "barge"
    TAKE_OVER = "take over"
    ASK_REVIEW = "ask for review"
    SEE_REVIEW = "see review"
    REVIEW = "review"
    CLOSE_REVIEW = "close review"
    SEE_STATUS = "see status"


ACTIONS: Mapping[Action, tuple[str, str]] = {
    Action.SEE_SELF: ("see the own profile", "видеть свой профиль"),
    Action.SEE_COLLEAGUES: ("see the colleagues", "видеть коллег"),
    Action.FOLLOW: ("follow what happens", "следить за происходящим"),
    Action.SEE_PERSON: ("see the person's state", "видеть состояние сотрудника"),
    Action.SEE_CONVERSATION: ("see the conversation", "видеть разговор"),
    Action.READ_TIMELINE: ("read the timeline", "читать ход разговора"),
    Action.DOWNLOAD_RECORDING: ("hear the recording", "слушать запись"),
    Action.HEAR_WHISPER: ("hear what was whispered", "слушать подсказки в записи"),
    Action.MASK: ("keep something out of the recording", "исключить часть разговора из записи"),
    Action.HANG_UP: ("end the conversation", "завершить разговор"),
    Action.INVITE_PROMPTER: ("invite a prompter", "пригласить подсказчика"),
    Action.LISTEN: ("listen", "слушать"),
    Action.WHISPER: ("whisper", "подсказывать"),
    Action.WHISPER_TO_CUSTOMER: ("whisper to the customer", "подсказывать клиенту"),
    Action.BARGE: ("join the conversation", "вступить в разговор"),
    Action.TAKE_OVER: ("take the conversation over", "перехватить разговор"),
    Action.ASK_REVIEW: ("ask for a review", "просить разобрать разговор"),
    Action.SEE_REVIEW: ("see the review", "видеть разбор разговора"),
    Action.REVIEW: ("review the conversation", "разбирать разговор"),
    Action.CLOSE_REVIEW: ("close the review", "завершить разбор разговора"),
    Action.SEE_STATUS: ("see the status of the switch", "видеть состояние станции"),
}
"""English and Russian."""

SUPERVISING = frozenset({Action.LISTEN, Action.WHISPER, Action.WHISPER_TO_CUSTOMER, Action.BARGE, Action.TAKE_OVER})

AUDITED = SUPERVISING | {Action.DOWNLOAD_RECORDING, Action.HANG_UP, Action.MASK, Action.INVITE_PROMPTER}
"""Actions of which each use is an event too, not only each refusal."""

_ANYBODY = frozenset({Action.SEE_SELF, Action.SEE_COLLEAGUES, Action.FOLLOW})
_OFFICE = frozenset({Action.SEE_STATUS})
_OWN_ONLY = frozenset({Action.ASK_REVIEW})
_FOR_OTHERS = SUPERVISING | {Action.REVIEW}
"""What nobody does to himself."""
_HEARS = SUPERVISING | {Action.DOWNLOAD_RECORDING, Action.HEAR_WHISPER, Action.REVIEW}
_WHEN_RUNG = frozenset({Action.SEE_CONVERSATION})
"""What whoever was called and did not answer may do all the same; to the rest only those who talked belong."""


class Reason(StrEnum):
    """Why; the words are stable, ``reason`` makes a sentence of them."""

    ANYBODY = "anybody"
    OWN = "own"
    HEAD = "head of the group"
    EVERYBODY = "reaches everybody"
    NOT_OWN = "not own"
    OTHER_GROUP = "other group"
    OWN_CONVERSATION = "own conversation"
    OWN_REVIEW = "own review"
    OWN_ONLY = "own only"
    NOT_MONITORED = "not monitored"
    NO_CUSTOMER_WHISPER = "no customer whisper"
    OFFICE_ONLY = "office only"


REASONS: Mapping[Reason, tuple[str, str]] = {
    Reason.ANYBODY: ("everybody may do this", "это может каждый"),
    Reason.OWN: ("it is their own", "это своё"),
    Reason.HEAD: ("a head of the group may do this", "это может руководитель группы"),
    Reason.EVERYBODY: ("the role reaches everybody", "роль распространяется на всех"),
    Reason.NOT_OWN: ("employees may do this only with their own conversations", "сотруднику доступны только свои"),
    Reason.OTHER_GROUP: ("nobody in it belongs to a group that you head", "здесь нет никого из ваших групп"),
    Reason.OWN_CONVERSATION: ("nobody supervises a conversation of their own", "свой разговор не контролируют"),
    Reason.OWN_REVIEW: ("nobody reviews a conversation of their own", "свой разговор не разбирают"),
    Reason.OWN_ONLY: ("only whoever talked in it may do this", "это может только участник разговора"),
    Reason.NOT_MONITORED: (
        "somebody in it is not to be monitored",
        "среди участников есть сотрудник, которого не контролируют",
    ),
    Reason.NO_CUSTOMER_WHISPER: (
        "whispering to the customer needs a permission of its own",
        "для подсказки клиенту нужно отдельное право",
    ),
    Reason.OFFICE_ONLY: ("only directors and administrators may do this", "это могут директор и администратор"),
}
"""English and Russian."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an action is about, by extension: ``talkers`` talk or talked, ``rung`` were only called.

    A review is about whom asked for it alone, and the others in the conversation are to it as if they had only been
    called. A person is a subject of one talker, the office as a whole (``OFFICE``) has none.
    """

    talkers: frozenset[str] = frozenset()
    rung: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *people: str) -> Subject:
        return cls(frozenset(people))


OFFICE = Subject()


@dataclass(frozen=True, slots=True)
class Decision:
    """True where it is allowed; ``reason`` says why or why not."""

    allowed: bool
    reason: Reason

    def __bool__(self) -> bool:
        return self.allowed


def allowed(actor: Person, action: Action, subject: Subject, directory: Directory) -> Decision:
    """Decide whether ``actor`` may do ``action`` to ``subject`` under the directory in force. Never raises."""
    everywhere = actor.role in (Role.DIRECTOR, Role.ADMIN)
    if action in _ANYBODY:
        return Decision(True, Reason.ANYBODY)
    if action in _OFFICE:
        return Decision(True, Reason.EVERYBODY) if everywhere else Decision(False, Reason.OFFICE_ONLY)
    concerned = subject.talkers | subject.rung if action in _WHEN_RUNG else subject.talkers
    own = actor.extension in concerned
    if own and action in _FOR_OTHERS:
        return Decision(False, Reason.OWN_REVIEW if action is Action.REVIEW else Reason.OWN_CONVERSATION)
    # What was whispered beside a conversation is not for those who talked in it, but for their heads.
    if own and action is not Action.HEAR_WHISPER:
        return Decision(True, Reason.OWN)
    if action in _OWN_ONLY:
        return Decision(False, Reason.OWN_ONLY)
    if not everywhere and actor.role is not Role.HEAD:
        return Decision(False, Reason.NOT_OWN)
    if not everywhere and not concerned & reach(actor, directory):
        return Decision(False, Reason.OTHER_GROUP)
    # Also whoever only rings: he may be the one to talk next.
    if action in _HEARS and not heard(subject.talkers | subject.rung, directory):
        return Decision(False, Reason.NOT_MONITORED)
    if action is Action.WHISPER_TO_CUSTOMER and not everywhere and not actor.whisper_customer:
        return Decision(False, Reason.NO_CUSTOMER_WHISPER)
    return Decision(True, Reason.EVERYBODY if everywhere else Reason.HEAD)


def headed(actor: Person, directory: Directory) -> frozenset[str]:
    """Return the keys of the groups that ``actor`` heads; being named as head counts for a head only."""
    if actor.role is not Role.HEAD:
        return frozenset()
    return frozenset(key for key, group in directory.groups.items() if actor.extension in group.heads)


def reach(actor: Person, directory: Directory) -> frozenset[str]:
    """Return the extensions of the people whose conversations ``actor`` may see, his own among them."""
    if actor.role in (Role.DIRECTOR, Role.ADMIN):
        return frozenset(directory.people) | {actor.extension}
    groups = headed(actor, directory)
    mine = (one.extension for one in directory.people.values() if not groups.isdisjoint(one.groups))
    return frozenset(mine) | {actor.extension}


def shown(person: Person, directory: Directory) -> bool:
    """Whether somebody sees who supervised a conversation of his own: a group of his says so."""
    return any(directory.groups[key].shown for key in person.groups if key in directory.groups)


def heard(people: Iterable[str], directory: Directory) -> bool:
    """Whether anybody else may hear a conversation of these people."""
    return all(directory.people[one].monitored for one in people if one in directory.people)


def reason(decision: Decision, language: str = "en") -> str:
    """Return the reason of a decision as a sentence; anything but "ru" is English."""
    return REASONS[decision.reason][language == "ru"]
