"""Lines of a timeline as sentences, in English and Russian.

Russian stands in the present tense, which has no gender: nobody's is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

from softswitch.directory.permissions import ACTIONS, REASONS
from softswitch.records.journey import Line, Party
from softswitch.records.reasons import said

__all__ = ["LANGUAGES", "WORDS", "sentence", "told"]

LANGUAGES = ("en", "ru")

WORDS: Mapping[str, tuple[str, str]] = {
    "CallArrived": ("{who} calls {called}", "{who} звонит на {called}"),
    "CallRouted": ("the call goes to {destination} (rule: {rule})", "вызов идёт: {destination} (правило: {rule})"),
    "CallRouted+nowhere": ("the call goes nowhere ({rule})", "вызов никуда не идёт ({rule})"),
    "LegOffered": ("calling {who}{on_device}", "вызываем: {who}{on_device}"),
    "LegRinging": ("{who}{on_device} rings", "{who}{on_device}: звонок"),
    "LegRinging+caller": ("{who} hears ringing", "{who} слышит гудки"),
    "LegRinging+early": ("{who}{on_device} sends sound before the answer", "{who}{on_device}: звук до ответа"),
    "LegAnswered": ("{who} answers{on_device}", "{who} отвечает{on_device}"),
    "LegAnswered+caller": ("{who} is connected", "{who} на связи"),
    "LegHeld": ("{who} puts the call on hold", "{who} ставит вызов на удержание"),
    "LegResumed": ("{who} takes the call off hold", "{who} снимает вызов с удержания"),
    "LegEnded": ("{who}: the call is over ({cause})", "{who}: вызов окончен ({cause})"),
    "LegEnded+hung up": ("{who} hangs up", "{who} кладёт трубку"),
    "LegEnded+local": ("{who} is disconnected", "{who}: соединение завершено"),
    "LegEnded+cancelled": ("{who} gives up", "{who} больше не ждёт"),
    "LegEnded+no response": (
        "{who}{on_device} does not respond",
        "{who}{on_device}: устройство не отвечает на запросы",
    ),
    "LegEnded+no answer": ("{who}{on_device} does not answer", "{who}{on_device}: нет ответа"),
    "LegEnded+answered elsewhere": (
        "{who}{on_device} stops ringing: answered elsewhere",
        "{who}{on_device}: звонок прекращён, ответили на другом устройстве",
    ),
    "LegEnded+no ack": ("{who} never confirmed the answer", "{who}: ответ не подтверждён"),
    "LegEnded+session expired": ("{who} has vanished", "{who}: связь с устройством потеряна"),
    "LegEnded+media lost": (
        "nothing was heard from {who}, the call is ended",
        "от {who} нет звука, вызов завершён",
    ),
    "LegEnded+protocol error": ("{who}: the device broke the protocol", "{who}: устройство нарушило протокол"),
    "LegEnded+switch died": ("{who}: cut off, the switch stopped", "{who}: связь прервана, станция остановилась"),
    "LegEnded+rejected": ("{who}{on_device} refuses ({status})", "{who}{on_device}: отказ ({status})"),
    "LegEnded+rejected 486": ("{who}{on_device} is busy", "{who}{on_device}: занято"),
    "LegEnded+rejected 600": ("{who}{on_device} is busy", "{who}{on_device}: занято"),
    "LegEnded+rejected 603": ("{who}{on_device} declines", "{who}{on_device}: вызов отклонён"),
    "LegEnded+rejected 480": ("{who}{on_device} is not available", "{who}{on_device}: абонент недоступен"),
    "LegEnded+rejected 404": ("{who} is not known there", "{who}: там нет такого номера"),
    "LegEnded+rejected 408": ("{who}{on_device} does not answer", "{who}{on_device}: нет ответа"),
    "LegEnded+rejected 487": ("{who}{on_device} stops ringing", "{who}{on_device}: звонок прекращён"),
    "LegEnded+rejected 488": ("{who}{on_device} has no common codec", "{who}{on_device}: нет общего кодека"),
    "DigitPressed": ("{who} presses {digit}", "{who} нажимает {digit}"),
    "DigitPressed+hidden": ("{who} presses a key (not told)", "{who} нажимает клавишу (не показана)"),
    "MediaLost": (
        "nothing is heard from {who} for {silent} s (we send to {sent_to})",
        "от {who} нет звука {silent} с (мы отправляем на {sent_to})",
    ),
    "OneWayAudio": (
        "we send to {sent_to} and nothing comes back: {who} is not heard for {silent} s",
        "мы отправляем на {sent_to}, а обратно ничего не приходит: {who} не слышно {silent} с",
    ),
    "OneWayAudio+nat": (
        "we send to {sent_to} and nothing comes back: {who} is behind a router (NAT) and told us an inner address",
        "мы отправляем на {sent_to}, а обратно ничего не приходит: {who} за роутером (NAT), указан внутренний адрес",
    ),
    "OneWayAudio+no address": (
        "{who} told no address for the sound, and nothing has come for {silent} s",
        "{who}: адрес для звука не указан, и {silent} с ничего не приходит",
    ),
    "MediaRegained": ("{who} is heard again", "{who}: звук восстановлен"),
    "MediaQuality": (
        "sound from {who}: {received} packets, {lost} lost, {late} late, jitter {jitter_ms} ms",
        "звук от {who}: пакетов {received}, потеряно {lost}, опоздало {late}, джиттер {jitter_ms} мс",
    ),
    "MediaQuality+scored": (
        "sound from {who}: {received} packets, {lost} lost, {late} late, jitter {jitter_ms} ms, MOS {mos}",
        "звук от {who}: пакетов {received}, потеряно {lost}, опоздало {late}, джиттер {jitter_ms} мс, MOS {mos}",
    ),
    "RecordingStarted": ("recording begins", "запись начата"),
    "RecordingFinished": ("the recording is complete: {length}", "запись готова: {length}"),
    "RecordingFinished+repaired": (
        "the recording is restored after a crash: {length}",
        "запись восстановлена после сбоя: {length}",
    ),
    "RecordingDeleted": (
        "the recording is deleted, {days} days after its end",
        "запись удалена через {days} дн. после её окончания",
    ),
    "RecordingMasked": (
        "{by} keeps what is said and pressed from now on out of the recording",
        "{by}: с этого места речь и нажатия в запись не попадают",
    ),
    "RecordingMasked+program": (
        "what the caller says and presses is kept out of the recording",
        "речь и нажатия звонящего в запись не попадают",
    ),
    "RecordingUnmasked": ("{by} lets the recording go on", "{by}: запись снова идёт"),
    "RecordingUnmasked+program": ("the recording goes on", "запись снова идёт"),
    "RecordingFailed": ("recording failed: {error}", "запись не удалась: {error}"),
    "LegOffered+supervise": (
        "{who} is called to stand beside the conversation{on_device}",
        "{who}: вызываем наблюдать за разговором{on_device}",
    ),
    "LegOffered+supervise by himself": ("{who} calls to supervise", "{who} звонит, чтобы наблюдать за разговором"),
    "LegOffered+prompt": ("asking {who} for help{on_device}", "просим помощи: {who}{on_device}"),
    "LegEnded+taken over": (
        "{who} leaves the conversation: taken over",
        "{who} выходит из разговора: его ведёт руководитель",
    ),
    "LegEnded+stopped": ("{who} is disconnected", "{who}: соединение завершено"),
    "LegEnded+moved on": ("{who} goes on to another conversation", "{who} переходит к другому разговору"),
    "LegEnded+conversation over": ("{who} is disconnected with the conversation", "{who}: разговор окончен"),
    "SupervisionStarted+listen": ("{supervisor} listens to {employee}", "{supervisor} слушает: {employee}"),
    "SupervisionStarted+whisper": (
        "{supervisor} whispers to {employee}, the customer does not hear it",
        "{supervisor} подсказывает: {employee}; клиент этого не слышит",
    ),
    "SupervisionStarted+whisper to customer": (
        "{supervisor} whispers to the customer of {employee}",
        "{supervisor} подсказывает клиенту, с которым говорит {employee}",
    ),
    "SupervisionStarted+barge": (
        "{supervisor} joins the conversation of {employee}",
        "{supervisor} вступает в разговор: {employee}",
    ),
    "SupervisionChanged+listen": ("{supervisor} only listens from now on", "{supervisor} теперь только слушает"),
    "SupervisionChanged+whisper": (
        "{supervisor} whispers to {employee} from now on",
        "{supervisor} теперь подсказывает: {employee}",
    ),
    "SupervisionChanged+whisper to customer": (
        "{supervisor} whispers to the customer from now on",
        "{supervisor} теперь подсказывает клиенту",
    ),
    "SupervisionChanged+barge": (
        "{supervisor} joins the conversation, both hear him",
        "{supervisor} вступает в разговор, его слышат оба",
    ),
    "SupervisionEnded": (
        "{supervisor} leaves the conversation of {employee} after {length}",
        "{supervisor} больше не в разговоре: {employee}, {length}",
    ),
    "SupervisionRefused": (
        "{supervisor} may not: {doing}, {employee}: {reason}",
        "{supervisor}, отказано: {doing}, {employee}: {reason}",
    ),
    "SupervisionRefused+PIN": (
        "somebody may not supervise from outside: {reason}",
        "отказано в наблюдении по телефону: {reason}",
    ),
    "TakenOver": (
        "{supervisor} takes the conversation over from {employee}",
        "{supervisor} ведёт разговор дальше вместо: {employee}",
    ),
    "TakenOver+parked": (
        "{supervisor} talks in the place of {employee}, who waits with music",
        "{supervisor} ведёт разговор вместо: {employee}, тот ждёт с музыкой",
    ),
    "GivenBack": (
        "{supervisor} gives the conversation back to {employee}",
        "{supervisor} возвращает разговор: {employee}",
    ),
    "SupervisionChanged+take over": ("{supervisor} talks with the customer", "{supervisor} говорит с клиентом"),
    "HelpAsked": ("{employee} asks for help: {colleagues}", "{employee} просит подсказать: {colleagues}"),
    "HelpAsked+skill": (
        "{employee} asks for help with {skill}: {colleagues}",
        "{employee} просит подсказать ({skill}): {colleagues}",
    ),
    "HelpStarted": (
        "{colleague} helps {employee}, the customer does not hear it (came after {waiting})",
        "{colleague} подсказывает: {employee}; клиент этого не слышит (ожидание {waiting})",
    ),
    "HelpEnded": ("the help of {colleague} took {length}", "помощь окончена: {colleague}, {length}"),
    "HelpRefused": ("{employee} gets no help: {reason}", "{employee}, помощи нет: {reason}"),
    "ReviewAsked": ("{employee} asks for a review of the conversation", "{employee} просит разобрать разговор"),
    "ReviewAsked+note": (
        "{employee} asks for a review of the conversation: {note}",
        "{employee} просит разобрать разговор: {note}",
    ),
    "ReviewCommented": ("{by} comments for {employee}: {text}", "{by}, замечание для {employee}: {text}"),
    "ReviewCommented+position": (
        "{by} comments for {employee} at {place} of the recording: {text}",
        "{by}, замечание для {employee} на {place} записи: {text}",
    ),
    "ReviewMarked": (
        "{by} gives {employee} the mark {mark} for the conversation",
        "{by} ставит оценку за разговор: {employee}, {mark}",
    ),
    "ReviewClosed": ("{by} closes the review for {employee}", "{by} завершает разбор: {employee}"),
    "Abandoned": ("the caller gave up after {waiting}", "вызов брошен после ожидания {waiting}"),
    "ConversationEnded": ("the end: {result}", "конец: {result}"),
    "SwitchStarted": ("the switch starts, version {version}", "станция запущена, версия {version}"),
    "SwitchStopped": ("the switch stops", "станция остановлена"),
    "ConfigReloaded": ("new settings: {changes}", "новые настройки: {changes}"),
    "ConfigRefused": ("the new settings are refused: {problems}", "новые настройки отвергнуты: {problems}"),
    "DeviceBound": ("{person} registers from {remote_host}", "{person}: регистрация с {remote_host}"),
    "DeviceUnbound": ("{person} is no longer registered ({why})", "{person}: регистрация окончена ({why})"),
    "DeviceReachability": ("a device of {person} does not respond", "устройство {person} не отзывается"),
    "DeviceReachability+disconnected": (
        "a device of {person} has yet to reconnect after the restart",
        "устройство {person} ещё не подключилось заново после перезапуска",
    ),
    "DeviceReachability+reachable": ("a device of {person} responds again", "устройство {person} снова отзывается"),
    "AccountBanned": (
        "{source} is banned for account {account}: too many wrong passwords",
        "{source}: вход под именем {account} закрыт, слишком много неверных паролей",
    ),
    "BanLifted": ("the ban of {source} for account {account} is lifted", "{source}: вход под именем {account} открыт"),
    "TrunkReachability": ("trunk {trunk} does not respond ({why})", "транк {trunk} не отзывается ({why})"),
    "TrunkReachability+reachable": ("trunk {trunk} is in use again ({why})", "транк {trunk} снова в работе ({why})"),
    "LoggedIn": ("{person} logs in from {source}", "{person} входит с {source}"),
    "LoggedOut": ("{person} logs out", "{person} выходит"),
    "LoginRefused": (
        "a wrong password for {person} from {source}",
        "неверный пароль для {person} с {source}",
    ),
    "PasswordChanged": ("{person} has a new password (by {by})", "{person}: новый пароль ({by})"),
    "TokenMade": ("{person} has a new token {name} (by {by})", "{person}: новый токен {name} ({by})"),
    "TokenRevoked": ("the token {name} of {person} is revoked (by {by})", "{person}: токен {name} отозван ({by})"),
    "AccessGranted": ("{by} is allowed: {action} ({about})", "{by}: разрешено «{action}» ({about})"),
    "AccessRefused": (
        "{by} is refused: {action} ({about}; {reason})",
        "{by}: отказано «{action}» ({about}; {reason})",
    ),
}
"""By kind, with "+" for a special case: English and Russian, with {who} and the event's fields in them."""


_ACTIONS: Mapping[str, str] = {
    "listen": "прослушивание",
    "whisper": "подсказка",
    "whisper to customer": "подсказка клиенту",
    "barge": "вступление в разговор",
    "take over": "перехват разговора",
    "park": "перехват разговора",
    "next": "следующий разговор",
    "aside": "разговор наедине",
}

_RESULTS: Mapping[str, str] = {
    "answered": "отвечен",
    "busy": "занято",
    "declined": "отклонён",
    "no answer": "нет ответа",
    "unreachable": "недоступен",
    "abandoned": "брошен",
    "no such number": "нет такого номера",
    "refused": "отказано",
    "failed": "не удался",
    "switch died": "станция остановилась",
}


def sentence(line: Line, language: str = "en", names: Mapping[str, str] | None = None) -> str:
    """Return one line in words, without its time; ``names`` gives people's names by extension. Never raises.

    Anything but "ru" is English.
    """
    russian = language == "ru"
    words = next((WORDS[key] for key in _cases(line) if key in WORDS), None)
    if words is None:
        return line.kind
    values = {key: "" if value is None else str(value) for key, value in line.data.items()}
    values["who"] = _who(line.who, names or {}, russian)
    at = " на {}" if russian else " on {}"
    values["on_device"] = at.format(line.who.device) if line.who.device and line.who.party.startswith("person:") else ""
    values["destination"] = _who(_destination(values.get("to", "")), names or {}, russian)
    for given, made, shown in _SHOWN:
        value = line.data.get(given)
        values[made] = shown(value, russian) if isinstance(value, int | float) else ""
    for person in ("supervisor", "employee", "colleague"):
        if values.get(person):
            values[person] = _who(Party(party=f"person:{values[person]}"), names or {}, russian)
    if "action" in values:
        values["doing"] = _ACTIONS.get(values["action"], values["action"]) if russian else values["action"]
    if "silent" in values:
        values["silent"] = values["silent"].removesuffix(".0")
    if "by" in values:
        values |= {key: _named(values.get(key, ""), names or {}) for key in ("by", "about")}
        values["action"] = _word(ACTIONS, values.get("action", ""), russian)
        values["reason"] = _word(REASONS, values.get("reason", ""), russian)
    if russian and "result" in values:
        values["result"] = _RESULTS.get(values["result"], values["result"])
    for key in ("reason", "why", "rule"):
        if key in values:
            values[key] = said(values[key], language)
    return words[russian].format_map(values)


def told(line: Line, language: str = "en", names: Mapping[str, str] | None = None, zone: tzinfo | None = None) -> str:
    """Return one line in words with its time of day in ``zone`` (None: the machine's own)."""
    return f"{line.at.astimezone(zone):%H:%M:%S} {sentence(line, language, names)}"


def _cases(line: Line) -> list[str]:
    """Return the keys under which the words for this line may stand, the most special first."""
    data, kind = line.data, line.kind
    match kind:
        case "CallRouted" if data.get("to") == "nowhere":
            return [f"{kind}+nowhere", kind]
        case "LegRinging" | "LegAnswered" if line.who.caller:
            return [f"{kind}+caller", kind]
        case "LegRinging" if data.get("status") == 183:
            return [f"{kind}+early", kind]
        case "LegOffered" if data.get("purpose") == "supervise" and not data.get("target"):
            return [f"{kind}+supervise by himself", kind]
        case "LegOffered":
            return [f"{kind}+{data.get('purpose')}", kind]
        case "SupervisionStarted" | "SupervisionChanged":
            return [f"{kind}+{data.get('mode')}", kind]
        case "HelpAsked" if data.get("skill"):
            return [f"{kind}+skill", kind]
        case "ReviewAsked" if data.get("note"):
            return [f"{kind}+note", kind]
        case "ReviewCommented" if isinstance(data.get("position"), int | float):
            return [f"{kind}+position", kind]
        case "TakenOver" if data.get("parked"):
            return [f"{kind}+parked", kind]
        case "SupervisionRefused" if data.get("action") == "PIN":
            return [f"{kind}+PIN", kind]
        case "LegEnded":
            cause = data.get("cause")
            if cause == "hung up" and data.get("remote") is False:
                cause = "local"
            return [f"{kind}+{cause} {data.get('status')}", f"{kind}+{cause}", kind]
        case "DigitPressed" if data.get("digit") == "":
            return [f"{kind}+hidden", kind]
        case "MediaQuality" if isinstance(data.get("mos"), int | float):
            return [f"{kind}+scored", kind]
        case "RecordingMasked" | "RecordingUnmasked":
            return [f"{kind}+{data.get('via')}", kind]
        case "OneWayAudio" if data.get("why"):
            return [f"{kind}+{data['why']}", kind]
        case "RecordingFinished" if data.get("repaired") is True:
            return [f"{kind}+repaired", kind]
        case "DeviceReachability" | "TrunkReachability" if data.get("reachable") is True:
            return [f"{kind}+reachable", kind]
        case "DeviceReachability":
            return [f"{kind}+{data.get('why')}", kind]
    return [kind]


def _who(party: Party, names: Mapping[str, str], russian: bool) -> str:
    kind, _, key = party.party.partition(":")
    if not party.party:
        return "станция" if russian else "the switch"
    if kind == "person":
        name = names.get(key) or party.name
        return f"{name} ({key})" if name and name != key else key
    if party.withheld:
        return "скрытый номер" if russian else "a withheld number"
    number = party.number or key
    return f"{party.name} ({number})" if party.name and party.name != number else number


def _named(extensions: str, names: Mapping[str, str]) -> str:
    """Return "101, 102" with the names of those who have one."""
    return ", ".join(f"{names[one]} ({one})" if one in names else one for one in extensions.split(", "))


def _word(words: Mapping[Any, tuple[str, str]], key: str, russian: bool) -> str:
    pair = words.get(key)  # the keys are texts too
    return key if pair is None else pair[russian]


def _destination(to: str) -> Party:
    """Return the party that a destination "person:102" names."""
    return Party(party=to, number=to.partition(":")[2] or to)


def _length(seconds: float, russian: bool) -> str:
    whole = int(seconds + 0.5) if seconds < 1e9 else 0
    minutes, rest = divmod(whole, 60)
    if not minutes:
        return f"{rest} с" if russian else f"{rest} s"
    return f"{minutes} мин {rest} с" if russian else f"{minutes} min {rest} s"


def _place(seconds: float, _: bool) -> str:
    minutes, rest = divmod(int(seconds) if 0 <= seconds < 1e9 else 0, 60)
    return f"{minutes}:{rest:02d}"


def _days(seconds: float, _: bool) -> str:
    return f"{seconds / 86400:.0f}"


def _ms(seconds: float, _: bool) -> str:
    return f"{seconds * 1000:.1f}"


_SHOWN: tuple[tuple[str, str, Callable[[float, bool], str]], ...] = (
    ("waited", "waiting", _length),
    ("duration", "length", _length),
    ("kept", "days", _days),
    ("position", "place", _place),
    ("jitter", "jitter_ms", _ms),
)
