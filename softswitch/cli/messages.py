"""What the command line says, in English and Russian. Every complaint ends with what to do next."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

__all__ = ["MESSAGES", "Language", "language_of", "say"]

Language = Literal["en", "ru"]

MESSAGES: dict[str, tuple[str, str]] = {
    # Help.
    "help": (
        "A call-processing centre in one program: phones, providers, recordings, a journal, from one TOML file.\n\n"
        "Begin with: softswitch check softswitch.toml, then: softswitch run",
        "Центр обработки вызовов в одной программе: телефоны, провайдеры, записи и журнал — из одного TOML-файла.\n\n"
        "Начните так: softswitch check softswitch.toml, затем: softswitch run",
    ),
    "help.run": ("Start the switch with FILE and stay in the foreground.", "Запустить станцию по файлу FILE."),
    "help.check": (
        "Check FILE: every mistake with its line and column.",
        "Проверить FILE: все ошибки, со строкой и столбцом.",
    ),
    "help.reload": (
        "Apply the changed configuration; calls go on.",
        "Применить изменённую конфигурацию; разговоры продолжаются.",
    ),
    "help.stop": ("Stop the running switch.", "Остановить работающую станцию."),
    "help.metrics": (
        "Figures for a monitoring system, in the format of Prometheus.",
        "Показатели для системы мониторинга, в формате Prometheus.",
    ),
    "help.status": ("How the running switch is.", "Как себя чувствует станция."),
    "help.unban": (
        "Let the address SOURCE (any without it) try passwords again.",
        "Снова разрешить вход с адреса SOURCE (без него — с любого).",
    ),
    "help.people": ("Who is registered, from where and since when.", "Кто на связи, откуда и с каких пор."),
    "help.calls": ("Running calls; --finished adds past ones.", "Идущие разговоры; --finished добавит прошедшие."),
    "help.show": (
        "The timeline of the conversation ID (its beginning is enough).",
        "Ход разговора ID (достаточно начала).",
    ),
    "help.trace": ("The SIP ladder of the conversation ID.", "SIP-лестница разговора ID."),
    "help.listen": (
        "Listen to the conversation of EXTENSION; nobody hears who listens.",
        "Слушать разговор EXTENSION; слушающего никто не слышит.",
    ),
    "help.whisper": (
        "Listen, and be heard by EXTENSION alone.",
        "Слушать и подсказывать; слышит только EXTENSION.",
    ),
    "help.barge": ("Join the conversation of EXTENSION: both hear it.", "Вступить в разговор EXTENSION: слышат оба."),
    "help.takeover": (
        "Talk in the place of EXTENSION, who is released, or with --park waits until listen, whisper or barge.",
        "Вести разговор вместо EXTENSION: он отключается, а с --park ждёт до listen, whisper или barge.",
    ),
    "help.leave": ("End what somebody supervises.", "Закончить наблюдение."),
    "help.prompt": (
        "Ask a colleague to prompt EXTENSION, or end the help.",
        "Попросить коллегу подсказать EXTENSION или закончить помощь.",
    ),
    "help.mask": (
        "Record nothing more of the conversation ID (card numbers), until it is unmasked.",
        "Больше не записывать разговор ID (номера карт), пока не вызвано unmask.",
    ),
    "help.unmask": ("Let the recording of the conversation ID go on.", "Продолжить запись разговора ID."),
    "help.reviews": (
        "The reviews that employees asked for; --all adds the closed ones.",
        "Разборы разговоров, о которых просят сотрудники; --all добавит завершённые.",
    ),
    "help.review": (
        "The review of the conversation ID that EXTENSION asked for: see, ask, comment, mark, close it.",
        "Разбор разговора ID по просьбе EXTENSION: посмотреть, запросить, дать замечание, оценку, завершить.",
    ),
    "help.rebuild": (
        "Compute all records anew from the journal, also while the switch runs.",
        "Пересчитать все записи о разговорах по журналу, можно и при работающей станции.",
    ),
    "help.recordings": (
        "The latest recordings; --expired shows those that are about to be deleted.",
        "Последние записи; --expired покажет те, что пора удалить.",
    ),
    "help.salvage": (
        "Put what can be read of the damaged database DAMAGED back into the journal (best with the switch stopped).",
        "Вернуть в журнал всё, что читается в повреждённой базе DAMAGED (лучше при остановленной станции).",
    ),
    "option.expired": ("Only those kept longer than recording.keep says.", "Только те, чей срок хранения истёк."),
    "option.last": ("How many of the latest.", "Сколько последних."),
    "no_recordings": ("no such recordings in {folder}", "таких записей нет в {folder}"),
    "forever": ("never", "никогда"),
    "ended": ("ended", "окончание"),
    "kept_until": ("kept until", "хранится до"),
    "salvaged": ("{events} events read from {path}", "прочитано событий: {events} из {path}"),
    "help.version": ("Print the version.", "Показать версию."),
    "help.completion": (
        "Print the completion script for SHELL (bash, zsh, fish).",
        "Напечатать скрипт автодополнения для SHELL (bash, zsh, fish).",
    ),
    "help.reference": ("Print the configuration reference as Markdown.", "Напечатать справочник конфигурации."),
    "help.password": (
        "Make a new API password for EXTENSION; the telephone's stays as it is.",
        "Создать новый пароль API для EXTENSION; пароль телефона остаётся прежним.",
    ),
    "help.token": (
        "Make, list or revoke the tokens of programs that act as EXTENSION.",
        "Создать, показать или отозвать токены программ, действующих от имени EXTENSION.",
    ),
    "option.name": ("Name of the token [api].", "Имя токена [api]."),
    "option.json": ("Print JSON for scripts.", "Печатать JSON для скриптов."),
    "option.color": ("Colours, or none; by default only on a terminal.", "Цвета; по умолчанию только в терминале."),
    "option.lang": ("Language of messages.", "Язык сообщений."),
    "option.config": (
        "The office's file, to find the running switch by [softswitch.toml].",
        "Файл офиса, по которому ищется станция [softswitch.toml].",
    ),
    "option.socket": ("The control socket itself, instead of --config.", "Управляющий сокет вместо --config."),
    "option.account": ("Only for this account.", "Только для этого имени."),
    "option.finished": ("How many finished calls to add.", "Сколько прошедших разговоров добавить."),
    "option.follow": ("Go on and print what happens.", "Не выходить и печатать происходящее."),
    "option.as": ("Who supervises: that one's telephone rings.", "Кто наблюдает: звонит его телефон."),
    "option.stay": ("Stay for the next conversations too.", "Остаться и на следующие разговоры."),
    "option.customer": ("Be heard by the customer alone.", "Пусть слышит только клиент."),
    "option.in": (
        "In which of the conversations of EXTENSION [where it talks].",
        "В каком из разговоров EXTENSION [где он говорит сейчас].",
    ),
    "option.park": (
        "EXTENSION waits with music and gets the conversation back.",
        "EXTENSION ждёт с музыкой и получит разговор обратно.",
    ),
    "option.by": (
        "Who is asked; of a group everybody who is free, by skill who helped least.",
        "Кого просим; из группы — всех свободных, по навыку — того, кто помогал реже.",
    ),
    "option.end": ("End the help.", "Закончить помощь."),
    "option.closed": ("The closed ones too.", "И завершённые тоже."),
    "option.reviewer": ("Who asks, comments, marks or closes.", "Кто просит, даёт замечание, оценку, завершает."),
    "option.ask": ("Ask for it; NOTE says what to listen to.", "Запросить разбор; NOTE — что послушать."),
    "option.comment": ("Comment on the conversation.", "Дать замечание."),
    "option.at": ("The comment's place in the recording: 65 or 1:05.", "Место замечания в записи: 65 или 1:05."),
    "option.recording": ("In which of several recordings [1].", "В какой из нескольких записей [1]."),
    "option.mark": ("Give a mark, 5 is the best.", "Поставить оценку, лучшая — 5."),
    "option.close": ("Close it; who asked withdraws it.", "Завершить; кто просил — отзывает просьбу."),
    "option.messages": ("Print the whole SIP messages too.", "Печатать и сами SIP-сообщения."),
    # Failures.
    "error": ("error", "ошибка"),
    "warning": ("warning", "предупреждение"),
    "not_running": (
        "no switch is running here ({why}: {path})",
        "станция здесь не запущена ({why}: {path})",
    ),
    "not_running.next": (
        "start it with: softswitch run {config}",
        "запустите её: softswitch run {config}",
    ),
    "not_running.elsewhere": (
        "or name its file: softswitch --config FILE {command}",
        "или укажите её файл: softswitch --config FILE {command}",
    ),
    "no_config": ("there is no file {path}", "нет файла {path}"),
    "no_config.next": (
        "go to the office's folder or name the file: softswitch --config FILE {command}",
        "перейдите в папку офиса или укажите файл: softswitch --config FILE {command}",
    ),
    "broken_config": (
        "{path} is not readable as TOML, so the switch cannot be found by it",
        "{path} не читается как TOML, по нему станцию не найти",
    ),
    "broken_config.next": ("see what is wrong: softswitch check {path}", "что не так: softswitch check {path}"),
    "not_started": ("the switch could not start: {message}", "станция не запустилась: {message}"),
    "not_started.next": (
        "if another one is running (softswitch status), stop it; else change the address or folder in {path}",
        "если работает другая (softswitch status), остановите её; иначе смените адрес или папку в {path}",
    ),
    "refused": ("{path} was refused: {count}", "{path} не принят: {count}"),
    "refused.next": (
        "correct the lines above; the old configuration stays in force",
        "исправьте строки выше; в силе остаётся старая конфигурация",
    ),
    "refused.start": ("correct the lines above and try again", "исправьте строки выше и повторите"),
    "command_failed": ("the switch refused: {message}", "станция отказала: {message}"),
    "no_conversation": (
        "there is no conversation {id}, or more than one begins so",
        "нет разговора {id}, или так начинается не один",
    ),
    "no_conversation.next": (
        "see the ids with: softswitch calls --finished 20",
        "посмотрите номера: softswitch calls --finished 20",
    ),
    "no_review": (
        "nobody asked for a review of {id}, or more than one conversation begins so",
        "о разборе {id} никто не просил, или так начинается не один разговор",
    ),
    "no_review.next": (
        "see which there are: softswitch reviews --all",
        "посмотрите, какие есть: softswitch reviews --all",
    ),
    "no_trace": (
        "the SIP messages of {id} are not in memory (any more)",
        "SIP-сообщений разговора {id} в памяти нет",
    ),
    "no_trace.next": (
        "its timeline is kept: softswitch show {id}",
        "ход разговора хранится: softswitch show {id}",
    ),
    "no_records": ("there are no records yet at {path}", "записей ещё нет: {path}"),
    "no_records.next": ("start the switch and make a call", "запустите станцию и позвоните"),
    "failed": ("{message}", "{message}"),
    "no_switch_here": (
        "the control socket alone does not tell where the records are",
        "по одному управляющему сокету записей не найти",
    ),
    "no_switch_here.next": ("name the office's file: --config FILE", "укажите файл офиса: --config FILE"),
    "no_command": ("there is no command {name}", "нет команды {name}"),
    "no_command.near": (
        "there is no command {name} (did you mean {near}?)",
        "нет команды {name} (возможно, {near}?)",
    ),
    # Reports.
    "ok": ("{path} is right", "{path}: всё верно"),
    "check.summary": (
        "{people} people, {groups} groups, {trunks} trunks, {inbound} inbound and {outbound} outbound rules",
        "сотрудников: {people}, групп: {groups}, транков: {trunks}, правил: {inbound} входящих и {outbound} исходящих",
    ),
    "passwords.title": ("New passwords (shown this once)", "Новые пароли (показаны один раз)"),
    "passwords.kept": ("they are kept in {folder}", "они хранятся в {folder}"),
    "phone": ("Settings of a phone", "Настройки телефона"),
    "phone.user": ("user name", "имя пользователя"),
    "phone.user.is": ("the extension", "внутренний номер"),
    "phone.password": ("password", "пароль"),
    "phone.password.is": ("as shown above", "как показан выше"),
    "phone.domain": ("domain", "домен"),
    "phone.server": ("server, and outbound proxy (route)", "сервер и исходящий прокси (маршрут)"),
    "phone.server.is": ("{host}, port {port}, {transports}", "{host}, порт {port}, {transports}"),
    "phone.machine": ("this machine's address", "адрес этой машины"),
    "or": ("or", "или"),
    "password.made": ("{extension}: {password}", "{extension}: {password}"),
    "password.once": (
        "shown this once; its owner changes it with PUT /api/v1/me/password",
        "показан один раз; владелец меняет его через PUT /api/v1/me/password",
    ),
    "token.once": (
        "shown this once; send it as: Authorization: Bearer TOKEN",
        "показан один раз; передавайте его так: Authorization: Bearer TOKEN",
    ),
    "token.revoked": ("the token {name} is revoked", "токен {name} отозван"),
    "reloaded": ("{path} is in force", "{path} в силе"),
    "nothing_changed": ("nothing changed", "изменений нет"),
    "stopping": ("the switch is stopping", "станция останавливается"),
    "rebuilt": ("records computed anew from {events} events", "записи пересчитаны по событиям: {events}"),
    "rebuilt.unread": (
        "{unread} events were written by a newer version and are left as they are",
        "событий от более новой версии, оставленных как есть: {unread}",
    ),
    "supervising": (
        "the telephone of {supervisor} goes to the conversation of {employee}",
        "телефон {supervisor} подключается к разговору {employee}",
    ),
    "taken_over": ("{supervisor} talks in the place of {employee}", "{supervisor} ведёт разговор вместо {employee}"),
    "taken_over_parked": (
        "{supervisor} talks in the place of {employee}, who waits with music",
        "{supervisor} ведёт разговор вместо {employee}, тот ждёт с музыкой",
    ),
    "left": ("{supervisor} supervises nobody any more", "{supervisor} больше не наблюдает"),
    "help_asked": ("asked to prompt {employee}: {whom}", "подсказать {employee} просят: {whom}"),
    "help_ended": ("{employee} has no prompter any more", "{employee}: помощь окончена"),
    "masked": ("{conversation}: nothing is recorded from now on", "{conversation}: запись приостановлена"),
    "unmasked": ("{conversation}: the recording goes on", "{conversation}: запись продолжается"),
    "prompt.usage": ("give --by EXTENSION, or --end", "укажите --by НОМЕР или --end"),
    "review.usage": (
        "--at goes with --comment, and whoever asks does so for himself",
        "--at нужен --comment, а просить можно только за себя",
    ),
    "review.as": ("say who does it: --as EXTENSION", "укажите, кто это делает: --as НОМЕР"),
    "review.no_place": (
        "{value} is no place in a recording: give seconds, or 1:05",
        "{value} — не место в записи: укажите секунды или 1:05",
    ),
    "no_reviews": ("nobody waits for a review", "просьб о разборе нет"),
    "no_calls": ("no calls", "разговоров нет"),
    "offline": ("the switch is not running; from the database:", "станция не запущена; из базы данных:"),
    "following": ("what happens from now on (end with Ctrl-C):", "что происходит (закончить: Ctrl-C):"),
    # Words of the tables.
    "extension": ("ext", "номер"),
    "name": ("name", "имя"),
    "password": ("password", "пароль"),
    "groups": ("groups", "группы"),
    "state": ("state", "состояние"),
    "address": ("address", "адрес"),
    "device": ("device", "телефон"),
    "since": ("since", "с"),
    "expires": ("expires in", "истекает через"),
    "id": ("id", "разговор"),
    "started": ("started", "начало"),
    "caller": ("caller", "кто"),
    "called": ("called", "кому"),
    "answered_by": ("answered by", "ответил"),
    "duration": ("lasts", "длится"),
    "mos": ("MOS", "MOS"),
    "result": ("result", "итог"),
    "recording": ("recording", "запись"),
    "asked_by": ("asked by", "просит"),
    "asked": ("asked", "когда"),
    "note": ("note", "о чём"),
    "mark": ("mark", "оценка"),
    "comments": ("comments", "замечаний"),
    "deleted": ("deleted", "удалена"),
    "review.open": ("open", "ждёт"),
    "review.closed": ("closed", "завершён"),
    "version": ("version", "версия"),
    "config": ("configuration", "конфигурация"),
    "uptime": ("running for", "работает"),
    "listening": ("listening on", "принимает на"),
    "calls": ("calls", "разговоров"),
    "registered": ("registered", "на связи"),
    "of": ("{some} of {all}", "{some} из {all}"),
    "media": ("media", "звук"),
    "media.line": (
        "{threads} threads, {open} of {total} ports, {recordings} recordings, ticks late by {p99} ms (p99)",
        "потоков: {threads}, портов: {open} из {total}, записей: {recordings}, опоздание тактов {p99} мс (p99)",
    ),
    "media.thread": (
        "thread {number}: {ports} ports, ticks late by {p99} ms (p99), {most} ms at most",
        "поток {number}: портов {ports}, опоздание тактов {p99} мс (p99), самое большее {most} мс",
    ),
    "bans": ("banned", "вход закрыт"),
    "ban.line": (
        "{source} for account {account}, {left} more (softswitch unban {source})",
        "{source} для имени {account}, ещё {left} (softswitch unban {source})",
    ),
    "unbanned": ("{source} may be {account} again", "{source}: вход под именем {account} открыт"),
    "not_banned": ("nobody of that description is banned", "таких закрытых входов нет"),
    "trunks": ("trunk", "транк"),
    "trunk.up": ("up", "отвечает"),
    "trunk.down": ("down, tried last", "не отвечает, пробуется последним"),
    "trunk.unknown": ("never answered OPTIONS", "на OPTIONS не отвечал"),
    "counters": ("counters", "счётчики"),
    "warnings": ("warnings", "предупреждения"),
    "state.reachable": ("reachable", "на связи"),
    "state.unreachable": ("unreachable", "не отвечает"),
    "state.offline": ("offline", "нет связи"),
    "state.talking": ("talking", "говорит"),
    "state.ringing": ("ringing", "звонит"),
    "state.arrived": ("arrived", "поступил"),
    "state.on hold": ("on hold", "на удержании"),
    "state.ended": ("ended", "завершён"),
    "result.answered": ("answered", "отвечен"),
    "result.busy": ("busy", "занято"),
    "result.declined": ("declined", "отклонён"),
    "result.no answer": ("no answer", "нет ответа"),
    "result.unreachable": ("unreachable", "недоступен"),
    "result.abandoned": ("abandoned", "брошен"),
    "result.no such number": ("no such number", "нет такого номера"),
    "result.refused": ("refused", "отказано"),
    "result.failed": ("failed", "не удался"),
    "result.switch died": ("switch died", "станция остановилась"),
}
"""By key: English, Russian."""


def say(language: Language, key: str, **values: object) -> str:
    """Return a message with its values filled in."""
    return MESSAGES[key][language == "ru"].format_map(values)


def language_of(environ: Mapping[str, str] = os.environ) -> Language:
    """Return the language that the environment asks for, in the order of POSIX (XBD 8.2); English if it is not ours."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = environ.get(variable)
        if value:
            return "ru" if value.lower().startswith("ru") else "en"
    return "en"
