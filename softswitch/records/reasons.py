"""Reasons that events and refusals give as English sentences, said in Russian.

They are made where something is refused, in many places, and are few. One that
is not known here is said as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from softswitch.directory.permissions import REASONS

__all__ = ["said"]

_PHRASES: Mapping[str, str] = {
    **dict(REASONS.values()),
    # Of a rule or a failure, in the timeline.
    "extension": "внутренний номер",
    "action": "программа",
    "not a number": "это не номер",
    "no such number": "нет такого номера",
    "not allowed": "не разрешено",
    "no media port left": "не осталось портов для звука",
    "all lines are busy": "все линии заняты",
    "the switch is stopping": "станция останавливается",
    "no common media": "нет общего кодека",
    # Why a device or a trunk is there or is not.
    "removed": "снята",
    "expired": "истекла",
    "replaced": "заменена новой",
    "connection closed": "соединение закрыто",
    "a call got no response": "вызов остался без ответа",
    "no answer to OPTIONS": "нет ответа на OPTIONS",
    "no way to it": "до него нет пути",
    "answers OPTIONS": "отвечает на OPTIONS",
    "tried again": "пробуем снова",
    "other site": "запрос с другого сайта",
    # Why supervision or help is not possible.
    "nobody is free to help": "никто не свободен",
    "nobody who is free can help with this": "никто из свободных этого не знает",
    "no telephone of a colleague can be reached": "телефоны коллег недоступны",
    "no telephone of the supervisor can be reached": "телефон наблюдателя недоступен",
    "no telephone answered": "ни один телефон не ответил",
    "the conversation is over": "разговор окончен",
    "there is no conversation to take over": "перехватывать нечего: разговора нет",
    "somebody else has taken the conversation over": "разговор уже ведёт другой",
    "the telephone refuses to send": "телефон отказывается передавать звук",
    "no employee is in the conversation": "в разговоре нет сотрудника",
    "help that was asked for has no other mode": "у помощи по просьбе нет другого режима",
    "there is no other conversation to go to": "другого разговора нет",
    "who only listens cannot talk aside": "слушая, наедине не говорят",
    "this switch cannot supervise": "эта станция не поддерживает наблюдение",
    "the recording is being written still": "запись ещё идёт",
    "the review has been asked for already": "разбор уже запрошен",
    "nobody has answered yet": "ещё никто не ответил",
    "nothing of the conversation is recorded": "разговор не записан",
    "the recording is deleted": "запись удалена",
    "a comment needs words": "замечание без слов",
    "the review is closed": "разбор завершён",
    "the length of the recording is not known": "длительность записи неизвестна",
    "a mark is from 1 to 5": "оценка — от 1 до 5",
    "the switch is not running": "станция не работает",
    "the media core has no port left": "не осталось портов для звука",
}

_KINDS: Mapping[str, str] = {
    "person": "сотрудника",
    "person in this conversation": "в этом разговоре сотрудника",
    "group": "группы",
    "skill": "навыка",
    "conversation": "разговора",
    "running conversation": "идущего разговора",
    "recording": "записи",
    "review": "разбора",
    "token": "токена",
    "page": "страницы",
    "supervision": "наблюдения",
    "supervision of": "наблюдения, которое ведёт",
    "prompter of": "подсказчика у",
    "trace of conversation": "SIP-сообщений разговора",
}
"""What ``NoSuch`` can be about."""

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), russian)
    for pattern, russian in (
        (r"inbound (\S+)", "входящее {0}"),
        (r"outbound (\S+)", "исходящее {0}"),
        (r"OPTIONS answered ([0-9]+)", "ответ на OPTIONS: {0}"),
        (r"(\S+) is in no conversation", "{0} сейчас не разговаривает"),
        (r"(\S+) has talked in no conversation yet", "{0} ещё ни с кем не говорил"),
        (r"(\S+) is in another conversation", "{0} в другом разговоре"),
        (r"somebody else talks in the place of (\S+)", "вместо {0} уже говорит другой"),
        (r"(\S+) has a prompter already", "у {0} уже есть подсказчик"),
        (r"(\S+) does not supervise (\S+)", "{0} не наблюдает за {1}"),
        (r"(\S+) cannot be supervised now", "за {0} сейчас нельзя наблюдать"),
        (r"there is no (\S+) any more", "номера {0} больше нет"),
        (r"(\S+) has a token '(.*)' already", "у {0} уже есть токен {1}"),
        (r"more than ([0-9]+) characters", "больше {0} знаков"),
        (r"more than one asked for a review: (.+)", "разбор просил не один сотрудник: {0}"),
        (r"the recording lasts (\S+) s", "запись длится {0} с"),
        (r"a review takes ([0-9]+) comments, and this one has them", "в разборе не больше {0} замечаний, они уже есть"),
        (r"(.+) typed no extension with its PIN", "{0}: набран неверный номер или PIN"),
        (r"(.+) typed nothing more", "{0}: больше ничего не набрано"),
        (r"(.+) has typed too many wrong PINs and must wait", "{0}: слишком много неверных PIN, нужно подождать"),
    )
)

_MISSING = re.compile(r"no ([a-z ]+) '(.*)'")


def said(text: str, language: str) -> str:
    """Return a reason in the language, as it is where it is not known; anything but "ru" is English."""
    if language != "ru":
        return text
    known = _PHRASES.get(text)
    if known is not None:
        return known
    missing = _MISSING.fullmatch(text)
    if missing is not None and missing[1] in _KINDS:
        return f"нет {_KINDS[missing[1]]} {missing[2]}"
    for pattern, russian in _PATTERNS:
        found = pattern.fullmatch(text)
        if found is not None:
            return russian.format(*("кто-то" if part == "somebody" else part for part in found.groups()))
    return text
