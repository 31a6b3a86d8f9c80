"""Every sentence that the configuration reader says, in English and Russian, and the search for the right word.

A text is a template over what was found; ``hint`` says what to write instead.
Placeholders: ``{found}`` is the value as written, the others come with the fault.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time

from softswitch.config.settings import Language

__all__ = ["FOREIGN", "HINTS", "LATER", "NOUNS", "REASONS", "hint", "key", "nearest", "reason", "shown"]

_BARE = re.compile(r"[A-Za-z0-9_-]{1,60}")

REASONS: dict[str, tuple[str, str]] = {
    # What the file as a whole may lack.
    "no_file": ("there is no such file", "такого файла нет"),
    "unreadable": ("the file cannot be read: {error}", "файл не читается: {error}"),
    "not_utf8": ("the file is not UTF-8 text", "файл не в кодировке UTF-8"),
    "too_big": ("the file is larger than {limit} bytes", "файл больше {limit} байт"),
    "too_deep": ("tables or arrays are nested too deeply", "слишком глубокая вложенность таблиц или списков"),
    "syntax": ("not TOML: {error}", "это не TOML: {error}"),
    "syntax_value": ("not TOML: there is no value here", "это не TOML: здесь нет значения"),
    "syntax_string": ("not TOML: the text does not end on its line", "это не TOML: текст не закончен в своей строке"),
    "syntax_character": ("not TOML: a character that may not stand here", "это не TOML: здесь недопустимый символ"),
    "syntax_header": ("not TOML: the table's header does not end", "это не TOML: заголовок таблицы не закончен"),
    "syntax_escape": ('not TOML: "\\" has a meaning of its own', "это не TOML: у «\\» особый смысл"),
    "syntax_inline": ("not TOML: the table in {{ }} does not end", "это не TOML: таблица в {{ }} не закончена"),
    "syntax_array": ("not TOML: the list in [ ] does not end", "это не TOML: список в [ ] не закончен"),
    "syntax_statement": ("not TOML: neither a key nor a table", "это не TOML: не ключ и не таблица"),
    "syntax_rest": ("not TOML: something follows the value", "это не TOML: за значением ещё что-то"),
    "syntax_date": ("not TOML: there is no such date", "это не TOML: такой даты нет"),
    "twice": ("is written twice (first on line {line})", "записано дважды (первый раз в строке {line})"),
    # Keys.
    "unknown_key": ("unknown key", "неизвестный ключ"),
    "unknown_table": ("unknown table", "неизвестная таблица"),
    "later": ("this version has no {thing} yet", "в этой версии ещё нет: {thing}"),
    "missing": ("is missing", "не указано"),
    "missing_table": ("the table is missing", "нет такой таблицы"),
    # Types and ranges.
    "not_text": ("{found} is not a text", "{found} — не текст"),
    "not_number": ("{found} is not a whole number", "{found} — не целое число"),
    "not_flag": ("{found} is neither true nor false", "{found} — не true и не false"),
    "not_list": ("{found} is not a list", "{found} — не список"),
    "not_table": ("{found} is not a table", "{found} — не таблица"),
    "not_tables": ("{found} is not a list of tables", "{found} — не список таблиц"),
    "too_small": ("{found} is too small", "{found} — слишком мало"),
    "too_large": ("{found} is too large", "{found} — слишком много"),
    "empty": ("is empty", "пусто"),
    "not_a": ("{found} is not {noun}", "{found} — не {noun}"),
    "invalid": ("{found} is not understood: {error}", "{found} не понято: {error}"),
    # Values.
    "no_unit": ("{found} is a time without a unit", "{found} — время без единицы"),
    "port_range": ("there is no port {port}", "порта {port} не бывает"),
    "ports_backwards": ("{found} runs backwards", "{found} идёт от большего к меньшему"),
    "ports_few": (
        "{found} is {count} ports, too few for one call of two legs",
        "{found} — портов: {count}, мало и для одного разговора",
    ),
    "transport_later": ("this version does not speak {transport} yet", "эта версия ещё не умеет {transport}"),
    "not_numeric": ('"{part}" is not a numeric address', "«{part}» — не числовой адрес"),
    "pattern_empty": ("{found} has no digit in it", "в {found} нет ни одной цифры"),
    "pattern_long": ("{found} is longer than 64 characters", "{found} длиннее 64 символов"),
    "pattern_set": (
        '{found}: "[" needs digits or ranges and "]", as in [2-49]',
        "{found}: после «[» нужны цифры или диапазоны и «]», как в [2-49]",
    ),
    "pattern_backwards": ("{found}: the range in {part} runs backwards", "{found}: диапазон в {part} идёт назад"),
    "pattern_plus": ('{found}: "+" stands only in front', "{found}: «+» бывает только в начале"),
    "pattern_dot": (
        '{found}: "." stands only at the end, after something',
        "{found}: «.» бывает только в конце, после чего-нибудь",
    ),
    "pattern_case": (
        '{found}: "{part}" is no part of a pattern, "{upper}" is',
        "{found}: «{part}» в шаблоне не бывает, бывает «{upper}»",
    ),
    "pattern_character": (
        '{found}: "{part}" is no part of a pattern',
        "{found}: «{part}» в шаблоне не бывает",
    ),
    "no_such": ('there is no {kind} "{name}"', "нет {kind} «{name}»"),
    "destination_kind": ('"{name}" is not a kind of destination', "«{name}» — не вид назначения"),
    "listed_twice": ("{found} is listed twice", "{found} указано дважды"),
    # Between keys.
    "listen_overlap": ("{found} is already taken by {other}", "{found} уже занято: {other}"),
    "listen_in_rtp": (
        "{found} lies inside rtp.ports {ports}: a call would take this port",
        "{found} попадает в rtp.ports {ports}: порт займёт разговор",
    ),
    "expires_order": ("{found} is longer than sip.expires {other}", "{found} больше, чем sip.expires {other}"),
    "same_address": (
        '{found} is also an address of trunk "{other}": its calls could be of either',
        "{found} — адрес и транка «{other}»: неясно, чей вызов",
    ),
    "same_code": (
        "{found} cannot be told from codes.{other} {taken}: what is dialled begins alike",
        "{found} не отличить от codes.{other} {taken}: набор начинается одинаково",
    ),
    "code_taken": (
        "{found} hides the outbound number {number} of line {line}",
        "{found} закрывает исходящий номер {number} из строки {line}",
    ),
    "same_number": ("{found} is also the number of skill {other}", "{found} — номер и навыка {other}"),
    "no_skilled": ("nobody has this skill: asking for it is in vain", "этого навыка нет ни у кого: просить некого"),
    "no_key": ('a telephone has no key "{name}"', "на телефоне нет клавиши «{name}»"),
    # Passwords.
    "no_env": ("the environment variable {name} is not set", "переменная окружения {name} не задана"),
    "env_empty": ("the environment variable {name} is empty", "переменная окружения {name} пуста"),
    "no_secret_file": ("there is no file {name}", "нет файла {name}"),
    "secret_unreadable": ("{name} cannot be read: {error}", "{name} не читается: {error}"),
    "secret_empty": ("{name} has no password in its first line", "в первой строке {name} нет пароля"),
    "secret_control": ("the password has control characters", "в пароле есть управляющие символы"),
    "generate_trunk": ("a provider's password cannot be generated", "пароль провайдера нельзя придумать"),
    "unheard": ('nobody hears this: disclosure is "none"', "этого никто не услышит: disclosure — «none»"),
    "no_sound": ("there is no file or folder {name}", "нет файла или папки {name}"),
    # Warnings.
    "literal": ("the password is written in the file itself", "пароль записан прямо в файле"),
    "readable": ("{name} can be read by every user of this machine", "{name} может прочесть любой на этой машине"),
    "weak": ("the password is easily guessed", "пароль легко угадать"),
    "weak_pin": ("the PIN is easily guessed", "PIN-код легко угадать"),
    "literal_pin": ("the PIN is written in the file itself", "PIN-код записан прямо в файле"),
    "same_pin": (
        "behind this extension the PIN reads like extension and PIN of {other}",
        "вместе с этим номером PIN-код читается как номер и PIN-код {other}",
    ),
    "no_pin": ("nobody has a PIN: nobody gets in here", "PIN-кода нет ни у кого: сюда никто не войдёт"),
    "to_generate": (
        "the password will be generated and shown at the first run",
        "пароль будет создан и показан при первом запуске",
    ),
    "no_people": ("nobody is in the office: no phone can register", "в офисе никого: ни один телефон не войдёт"),
    "no_caller": ("some people have no number to show here", "у некоторых сотрудников нет номера для показа"),
    "never_reached": ("is never reached: line {line} takes all its calls", "не сработает: всё забирает строка {line}"),
    "hidden": (
        'extension {extension} hides the outbound number "{number}"',
        "внутренний {extension} закрывает исходящий номер «{number}»",
    ),
    "privileged": ("port {port} is below 1024", "порт {port} меньше 1024"),
    "few_calls": ("these ports carry {calls} calls at once", "этих портов хватит на {calls} разговоров сразу"),
    "web_clear": (
        "passwords travel in clear to {found}",
        "пароли идут на {found} открытым текстом",
    ),
    "head_role": (
        "{found} heads the group but is an employee: he reaches nobody",
        "{found} возглавляет группу, но по роли сотрудник: ему никто не доступен",
    ),
}
"""By code: English, Russian."""

HINTS: dict[str, tuple[str, str]] = {
    "nearest": ("did you mean {nearest}?", "может быть, {nearest}?"),
    "expected": ("expected {expected}", "ожидается {expected}"),
    "between": ("expected {low} to {high}", "ожидается от {low} до {high}"),
    "known": ("known here: {known}", "здесь бывает: {known}"),
    "none_known": ("there are none yet: add {example}", "пока нет ни одного: добавьте {example}"),
    "no_file": ("give the path of the office's TOML file", "укажите путь к TOML-файлу офиса"),
    "not_utf8": ("save it as UTF-8", "сохраните её как UTF-8"),
    "quotes": ("put it in quotes: {quoted}", "возьмите в кавычки: {quoted}"),
    "no_quotes": ("write it without quotes: {bare}", "запишите без кавычек: {bare}"),
    "brackets": ("put it in brackets: {listed}", "возьмите в скобки: {listed}"),
    "syntax_value": (
        'a text needs quotes: name = "Anna"',
        'текст пишется в кавычках: name = "Анна"',
    ),
    "syntax_string": ("the closing quote is missing", "нет закрывающей кавычки"),
    "syntax_header": ('"]" is missing', "нет «]»"),
    "syntax_escape": (
        "write paths in single quotes: 'C:\\music'",
        "пути пишутся в одинарных кавычках: 'C:\\music'",
    ),
    "syntax_inline": (
        'as in {{ env = "NAME" }}, on one line',
        'как {{ env = "NAME" }}, в одну строку',
    ),
    "syntax_array": ('"]" is missing', "нет «]»"),
    "syntax_statement": ("expected key = value or [table]", "ожидается ключ = значение или [таблица]"),
    "syntax_rest": ("one key = value per line", "один ключ = значение в строке"),
    "merge": ("put all keys into one table", "соберите ключи в одну таблицу"),
    "no_env": ("export {name}=… before starting", "задайте {name}=… перед запуском"),
    "no_secret_file": (
        "write the password into it, then: chmod 600 {name}",
        "запишите в него пароль и выполните: chmod 600 {name}",
    ),
    "readable": ("chmod 600 {name}", "chmod 600 {name}"),
    "literal": (
        'use {{ env = "{env}" }} or {{ file = "…" }}',
        'лучше {{ env = "{env}" }} или {{ file = "…" }}',
    ),
    "web_clear": (
        'listen on 127.0.0.1 behind a proxy with TLS, and write origin = "https://…"',
        'слушайте 127.0.0.1 за прокси с TLS и укажите origin = "https://…"',
    ),
    "head_role": (
        'write role = "head" in [people.{extension}]',
        'напишите role = "head" в [people.{extension}]',
    ),
    "weak": ("use 12 characters or more", "нужно 12 символов и больше"),
    "literal_pin": (
        'use {{ env = "{env}" }} or {{ file = "…" }}',
        'лучше {{ env = "{env}" }} или {{ file = "…" }}',
    ),
    "no_pin": (
        'write pin = {{ env = "PIN_110" }} in [people.110]',
        'напишите pin = {{ env = "PIN_110" }} в [people.110]',
    ),
    "no_skilled": (
        'write skills = "{skill}" in [people.101]',
        'напишите skills = "{skill}" в [people.101]',
    ),
    "no_caller": ('add as = "+…", or outside to each person', 'добавьте as = "+…" или outside каждому'),
    "privileged": ("start with CAP_NET_BIND_SERVICE, or use 5060", "нужен CAP_NET_BIND_SERVICE; обычно 5060"),
    "account": (
        "this version does not register with providers; account = {{ user = …, password = … }} answers challenges",
        "эта версия не регистрируется у провайдера; account = {{ user = …, password = … }} отвечает на запрос пароля",
    ),
}

NOUNS: dict[str, tuple[str, str, str]] = {
    "time": ("a time", "время", '"20s", "5m", "2h" or "180d"'),
    "interval": ("a time", "время", '"30s" or "off"'),
    "ports": ("a range of ports", "диапазон портов", '"20000-29999"'),
    "listener": ("an address to listen on", "адрес для приёма", '"udp:0.0.0.0:5060" or "tcp:[::]:5060"'),
    "web_listener": ("an address to listen on", "адрес для приёма", '"127.0.0.1:8080" or "[::1]:8080"'),
    "origin": ("an origin", "адрес сайта", '"https://pbx.example.com"'),
    "transport": ("a transport", "транспорт", '"udp" or "tcp"'),
    "server": ("a server", "сервер", '"sip.provider.example" or "203.0.113.5:5060"'),
    "network": ("a network", "сеть", '"192.168.0.0/16"'),
    "address": ("a numeric address", "числовой адрес", '"203.0.113.5" or "203.0.113.0/28"'),
    "public": ("a public address", "внешний адрес", '"auto" or "203.0.113.5"'),
    "domain": ("a domain", "домен", '"pbx.example.com"'),
    "timezone": ("a time zone", "часовой пояс", '"Europe/Moscow"'),
    "country": ("a country", "страна", '"RU"'),
    "language": ("a language", "язык", '"en" or "ru"'),
    "role": ("a role", "роль", '"employee", "head", "director" or "admin"'),
    "device": ("a device", "устройство", '"phone"'),
    "digest": ("a digest hash", "хеш пароля", '"SHA-256" or "MD5"'),
    "codec": ("a codec of this version", "кодек этой версии", '"PCMA" or "PCMU"'),
    "what": ("what to record", "что записывать", '"all" or "none"'),
    "disclosure": ("who is told", "кому сообщать", '"none", "employee", "customer" or "both"'),
    "music_play": ("a way to play music", "порядок музыки", '"order", "shuffle" or "together"'),
    "digits": ("a way to send digits", "способ передачи цифр", '"auto", "info" or "sound"'),
    "code": ("a feature code", "код услуги", '"*41", or "" for none'),
    "key": ("a key of a telephone", "клавиша телефона", '"*", or "" for none'),
    "keys": ("a table of keys", "таблица клавиш", '{ 4 = "listen", 5 = "whisper" }'),
    "key_word": ("what a key does", "действие клавиши", '"listen", "whisper" or "barge"'),
    "extension": ("an extension", "внутренний номер", "2 to 8 digits"),
    "name": ("a short name", "короткое имя", "letters, digits, - and _"),
    "e164": ("an international number", "международный номер", '"+74951234567"'),
    "destination": ("a destination", "назначение", '"person:101"'),
    "pin": ("a PIN", "PIN-код", "6 to 12 digits"),
    "password": (
        "a password",
        "пароль",
        '{ env = "NAME" }, { file = "path" } or "generate"',
    ),
    "threads": ("a number of threads", "число потоков", '"auto" or 1 to 64'),
    "database": ("a database", "база данных", '"sqlite" or "postgresql://user@host/name"'),
    "area": ("an area code", "код города", '"495"'),
    "pattern": ("a number pattern", "шаблон номера", '"+7XXXXXXXXXX" or "112"'),
    "group": ("a group", "группа", '"sales", the name in [groups.sales]'),
    "skill": ("a skill", "навык", '"tariffs", the name in [skills.tariffs]'),
    "skill_number": ("the number of a skill", "номер навыка", '"1" to "999"'),
    "turn": ("a way to ring", "способ вызова", '"in turn" or "all"'),
    "trunk": ("a trunk", "транк", '"provider", the name in [trunks.provider]'),
    "user": ("a user name", "имя пользователя", '"74951234567"'),
    "text": ("a text", "текст", '"Anna Orlova"'),
    "number": ("a whole number", "целое число", "a whole number"),
    "flag": ("true or false", "true или false", "true or false"),
    "list": ("a list", "список", "a list in [ ]"),
    "table": ("a table", "таблица", "a table"),
    "file": ("a path", "путь", '"music/calm.wav"'),
}
"""By noun: English, Russian, and what is written there (TOML, the same in both)."""

_EXPECTED_RU = {
    "2 to 8 digits": "от 2 до 8 цифр",
    "6 to 12 digits": "от 6 до 12 цифр",
    "letters, digits, - and _": "буквы, цифры, - и _",
    '"auto" or 1 to 64': '"auto" или от 1 до 64',
    "a whole number": "целое число",
    "a list in [ ]": "список в [ ]",
    "a table": "таблица",
    '"sales", the name in [groups.sales]': '"sales", имя из [groups.sales]',
    '"tariffs", the name in [skills.tariffs]': '"tariffs", имя из [skills.tariffs]',
    '"1" to "999"': 'от "1" до "999"',
    '"provider", the name in [trunks.provider]': '"provider", имя из [trunks.provider]',
}
"""Expectations that are more than examples and "or"."""

KINDS: dict[str, tuple[str, str]] = {
    "person": ("person", "сотрудника"),
    "group": ("group", "группы"),
    "trunk": ("trunk", "транка"),
    "skill": ("skill", "навыка"),
}
"""Things that are referred to by name."""

LATER: dict[str, tuple[str, str]] = {
    "queues": ("queues", "очереди"),
    "ivr": ("IVR menus", "голосовые меню"),
    "hours": ("opening hours", "часы работы"),
    "plans": ("plans in steps", "планы по шагам"),
    "limits": ("limits", "ограничения"),
    "test": ("dial-plan tests", "проверки номерного плана"),
    "tenants": ("tenants", "арендаторы"),
}
"""Tables that are coming; whoever copies them from elsewhere deserves a better answer than "unknown"."""

FOREIGN: dict[str, str] = {
    "secret": "password",
    "passwd": "password",
    "host": "server",
    "proxy": "server",
    "peer": "server",
    "username": "user",
    "login": "user",
    "number": "number",
    "fullname": "name",
    "callerid": "as",
    "caller_id": "as",
    "caller": "as",
    "department": "group",
    "skill": "skills",
    "competence": "skills",
    "bind": "listen",
    "port": "listen",
    "external_ip": "public",
    "externip": "public",
    "extern_addr": "public",
    "localnet": "local_nets",
    "allow": "codecs",
    "codec": "codecs",
    "max_contacts": "contacts",
    "qualify": "keep_alive",
    "tz": "timezone",
    "lang": "language",
    "gateway": "trunks",
    "gateways": "trunks",
    "trunk": "trunks",
    "users": "people",
    "extensions": "people",
    "person": "people",
    "routes": "outbound",
    "did": "inbound",
    "db": "database",
    "heads": "head",
}
"""Words of other exchanges, by ours: they are too far apart for spelling to find them."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, or None."""
    choices = list(known)
    foreign = FOREIGN.get(word.lower())
    if foreign in choices:
        return foreign
    by_fold = {choice.lower(): choice for choice in reversed(choices)}
    found = difflib.get_close_matches(word.lower()[:100], by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def shown(value: object) -> str:
    """Return a value as it stands in TOML, cut to a readable length."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            text = value if len(value) <= 40 else value[:37] + "..."
            return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04X}" for c in text) + '"'
        case int() | float():
            return str(value) if isinstance(value, float) or abs(value) < 10**20 else "a very large number"
        case datetime() | date() | time():
            return value.isoformat()
        case dict():
            return "{ " + ", ".join(key(str(word)) for word in list(value)[:3]) + " }" if value else "{}"
        case list() | tuple():
            items = ["[...]" if isinstance(item, list | tuple) else shown(item) for item in value[:2]]
            return "[" + ", ".join(items) + (", ...]" if len(value) > 2 else "]")
        case _:
            return str(value)[:40]


def key(part: str) -> str:
    """Return one part of a dotted key as TOML writes it."""
    return part if _BARE.fullmatch(part) else shown(part)


def reason(code: str, values: Mapping[str, object], language: Language) -> str:
    """Return the sentence of ``code`` with its values."""
    return REASONS[code][language == "ru"].format_map(_translated(values, language))


def hint(code: str, values: Mapping[str, object], language: Language) -> str | None:
    """Return what to write instead: the hint named by the fault, the right word, or what is expected there."""
    named = values.get("hint")
    if named is None:
        named = next((name for name in ("nearest", "known", "expected") if values.get(name)), None)
    if named is None and code in HINTS:
        named = code
    filled = _translated(values, language)
    if named is None and "noun" in values:
        named, filled["expected"] = "expected", expected(str(values["noun"]), language)
    return None if named is None else HINTS[str(named)][language == "ru"].format_map(filled)


def expected(noun: str, language: Language) -> str:
    """Return what is written where ``noun`` is expected."""
    example = NOUNS[noun][2]
    return _EXPECTED_RU.get(example, example.replace(" or ", " или ")) if language == "ru" else example


def _translated(values: Mapping[str, object], language: Language) -> dict[str, object]:
    filled = dict(values)
    if "noun" in filled:
        filled["noun"] = NOUNS[str(filled["noun"])][language == "ru"]
    if "kind" in filled:
        filled["kind"] = KINDS[str(filled["kind"])][language == "ru"]
    if "table" in filled:
        filled["thing"] = LATER[str(filled["table"])][language == "ru"]
    known = filled.get("known")
    if isinstance(known, list | tuple):
        filled["known"] = ", ".join(str(word) for word in known[:12])
    return filled
