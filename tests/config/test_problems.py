"""Every mistake that an office has made or will make, and the very line that it reads then."""

from __future__ import annotations

from pathlib import Path

import pytest

from softswitch.config import ConfigError, load
from tests.config.office import ANNA, ENVIRON, SWITCH, complaints

HEAD = SWITCH + ANNA
"""Six lines, all right; what follows begins on line 7."""

TRUNK = '[trunks.provider]\nserver = "203.0.113.5"\n'
"""Two lines after HEAD: what follows begins on line 9."""

SYNTAX = {
    "a text without quotes": (
        "[switch]\nname = Romashka\n",
        '2:8 not TOML: there is no value here (a text needs quotes: name = "Anna")',
    ),
    "a quote that does not close": (
        '[switch]\nname = "Romashka\n',
        "2:17 not TOML: the text does not end on its line (the closing quote is missing)",
    ),
    "a header that does not close": (
        '[switch\nname = "R"\n',
        '1:8 not TOML: the table\'s header does not end ("]" is missing)',
    ),
    "a Windows path": (
        '[switch]\ndata = "C:\\music"\n',
        "2:11 not TOML: \"\\\" has a meaning of its own (write paths in single quotes: 'C:\\music')",
    ),
    "two keys on a line": (
        '[switch]\nname = "R" domain = "x"\n',
        "2:12 not TOML: something follows the value (one key = value per line)",
    ),
    "a list that does not close": (
        '[sip]\nlisten = ["udp:0.0.0.0:5060"\n',
        '2:29 not TOML: the list in [ ] does not end ("]" is missing)',
    ),
    "a key without a value": (
        "[switch]\nname\n",
        "2:5 not TOML: neither a key nor a table (expected key = value or [table])",
    ),
    "a key twice": (
        '[switch]\nname = "A"\ndomain = "x"\nname = "B"\n',
        "4:1 switch.name: is written twice (first on line 2)",
    ),
    "a table twice": (
        '[sip]\nexpires = "1h"\n[rtp]\n[sip]\n',
        "4:1 sip: is written twice (first on line 1) (put all keys into one table)",
    ),
    "a person twice": (
        '[people.101]\nname = "A"\n[people.101]\nname = "B"\n',
        "3:1 people.101: is written twice (first on line 1)",
    ),
}

ONE = {
    # Keys and tables.
    "no switch": (
        ANNA,
        '1:1 switch: the table is missing (expected [switch] with name = "…" and domain = "…")',
    ),
    "no domain": ('[switch]\nname = "R"\n' + ANNA, '1:1 switch.domain: is missing (expected "pbx.example.com")'),
    "a misspelt key": (HEAD + '[rtp]\nport = "20000-29999"\n', '8:1 rtp.port: unknown key (did you mean "ports"?)'),
    "a misspelt key that must be there": (
        '[switch]\nnmae = "R"\ndomain = "x.y"\n' + ANNA,
        '2:1 switch.nmae: unknown key (did you mean "name"?)',
    ),
    "a key from nowhere": (
        HEAD + "[recording]\nqwerty = 1\n",
        "8:1 recording.qwerty: unknown key (known here: what, folder, whisper_track, keep)",
    ),
    "another exchange's word": (
        SWITCH + '[people.101]\nname = "A"\nsecret = "x"\n',
        '6:1 people.101.secret: unknown key (did you mean "password"?)',
    ),
    "another exchange's table": (HEAD + "[users.102]\n", '7:1 users: unknown table (did you mean "people"?)'),
    "a misspelt table": (HEAD + "[recodring]\n", '7:1 recodring: unknown table (did you mean "recording"?)'),
    "a key outside of tables": (
        'language = "ru"\n' + HEAD,
        "1:1 language: unknown key "
        "(known here: switch, sip, rtp, recording, web, codes, people, groups, skills, trunks, inbound, outbound)",
    ),
    "a table of the future": (HEAD + "[queues.sales]\n", "7:1 queues: this version has no queues yet"),
    "registration with a provider": (
        HEAD + TRUNK + 'register = { user = "x" }\n',
        "9:1 trunks.provider.register: unknown key (this version does not register with providers; "
        "account = { user = …, password = … } answers challenges)",
    ),
    "a table where a list of tables belongs": (
        HEAD + '[inbound]\nnumber = "+7495"\n',
        "7:1 inbound: { number } is not a list (expected [[inbound]])",
    ),
    "a value where a table belongs": ("sip = 5060\n" + HEAD, "1:7 sip: 5060 is not a table (expected a table)"),
    "a value where tables belong": (
        'people = "Anna"\n' + SWITCH,
        '1:10 people: "Anna" is not a table (expected [people.101])',
    ),
    "a hash without its hyphen": (
        HEAD + '[sip]\ndigest = ["sha256", "MD5"]\n',
        '8:11 sip.digest: "sha256" is not a digest hash (did you mean "SHA-256"?)',
    ),
    "no hash at all": (HEAD + "[sip]\ndigest = []\n", "8:10 sip.digest: is empty"),
    "recordings that nobody could hear": (
        HEAD + '[recording]\nkeep = "5m"\n',
        '8:8 recording.keep: "5m" is too small (expected "1h" to "36500d")',
    ),
    # Types.
    "a number for a text": (
        SWITCH + '[people.101]\nname = 5\npassword = { env = "P101" }\n',
        '5:8 people.101.name: 5 is not a text (put it in quotes: "5")',
    ),
    "a list for a text": (
        '[switch]\nname = ["R"]\ndomain = "x.y"\n' + ANNA,
        '2:8 switch.name: ["R"] is not a text (expected "Anna Orlova")',
    ),
    "a text for a number": (
        HEAD + '[sip]\ncontacts = "5"\n',
        '8:12 sip.contacts: "5" is not a whole number (write it without quotes: 5)',
    ),
    "a text for a flag": (
        HEAD + 'record = "false"\n',
        '7:10 people.101.record: "false" is neither true nor false (write it without quotes: false)',
    ),
    "a word for a flag": (
        HEAD + 'record = "never"\n',
        '7:10 people.101.record: "never" is neither true nor false (expected true or false)',
    ),
    "a number for a list": (
        HEAD + "[sip]\nlisten = 5060\n",
        "8:10 sip.listen: 5060 is not a list (expected a list in [ ])",
    ),
    "an API without a port": (
        HEAD + '[web]\nlisten = "127.0.0.1"\n',
        '8:10 web.listen: "127.0.0.1" is not an address to listen on (expected "127.0.0.1:8080" or "[::1]:8080")',
    ),
    "an API on the port of the telephones": (
        HEAD + '[web]\nlisten = "127.0.0.1:5060"\n',
        '8:10 web.listen: "127.0.0.1:5060" is already taken by "tcp:0.0.0.0:5060"',
    ),
    "an origin with a path": (
        HEAD + '[web]\norigin = "https://pbx.example/api"\n',
        '8:10 web.origin: "https://pbx.example/api" is not an origin (expected "https://pbx.example.com")',
    ),
    "an empty name": (
        SWITCH + '[people.101]\nname = " "\npassword = { env = "P101" }\n',
        "5:8 people.101.name: is empty",
    ),
    "a line break in a name": (
        SWITCH + '[people.101]\nname = "Anna\\r\\nX"\npassword = { env = "P101" }\n',
        '5:8 people.101.name: "Anna\\u000D\\u000AX" is not a text (expected "Anna Orlova")',
    ),
    # Words.
    "a language that is not ours": (
        '[switch]\nname = "R"\ndomain = "x.y"\nlanguage = "de"\n' + ANNA,
        '4:12 switch.language: "de" is not a language (expected "en" or "ru")',
    ),
    "a town for a time zone": (
        '[switch]\nname = "R"\ndomain = "x.y"\ntimezone = "Moscow"\n' + ANNA,
        '4:12 switch.timezone: "Moscow" is not a time zone (did you mean "Europe/Moscow"?)',
    ),
    "a misspelt time zone": (
        '[switch]\nname = "R"\ndomain = "x.y"\ntimezone = "Europe/Mosocw"\n' + ANNA,
        '4:12 switch.timezone: "Europe/Mosocw" is not a time zone (did you mean "Europe/Moscow"?)',
    ),
    "a country in small letters": (
        '[switch]\nname = "R"\ndomain = "x.y"\ncountry = "ru"\n' + ANNA,
        '4:11 switch.country: "ru" is not a country (did you mean "RU"?)',
    ),
    "a domain with a space": (
        '[switch]\nname = "R"\ndomain = "my office"\n' + ANNA,
        '3:10 switch.domain: "my office" is not a domain (expected "pbx.example.com")',
    ),
    "a role that does not exist": (
        HEAD + 'role = "bos"\n',
        '7:8 people.101.role: "bos" is not a role (expected "employee", "head", "director" or "admin")',
    ),
    "a misspelt role": (
        HEAD + 'role = "directr"\n',
        '7:8 people.101.role: "directr" is not a role (did you mean "director"?)',
    ),
    "a device of the future": (
        HEAD + 'devices = ["phone", "browser"]\n',
        '7:21 people.101.devices: "browser" is not a device (expected "phone")',
    ),
    "a codec of the future": (
        HEAD + '[rtp]\ncodecs = ["G729", "PCMA"]\n',
        '8:11 rtp.codecs: "G729" is not a codec of this version (did you mean "G722"?)',
    ),
    "a codec twice": (HEAD + '[rtp]\ncodecs = ["PCMA", "pcma"]\n', '8:19 rtp.codecs: "pcma" is listed twice'),
    "no codec": (HEAD + "[rtp]\ncodecs = []\n", "8:10 rtp.codecs: is empty"),
    "recording of what?": (
        HEAD + '[recording]\nwhat = "al"\n',
        '8:8 recording.what: "al" is not what to record (did you mean "all"?)',
    ),
    "another database": (
        '[switch]\nname = "R"\ndomain = "x.y"\ndatabase = "sqlit"\n' + ANNA,
        '4:12 switch.database: "sqlit" is not a database (did you mean "sqlite"?)',
    ),
    # Times.
    "a time without a unit": (
        HEAD + "[rtp]\ntimeout = 30\n",
        '8:11 rtp.timeout: 30 is a time without a unit (did you mean "30s"?)',
    ),
    "a time in quotes without a unit": (
        HEAD + 'ring = "45"\n',
        '7:8 people.101.ring: "45" is a time without a unit (did you mean "45s"?)',
    ),
    "a time in words": (
        HEAD + 'ring = "20 sec"\n',
        '7:8 people.101.ring: "20 sec" is not a time (expected "20s", "5m", "2h" or "180d")',
    ),
    "a time that is too long": (
        HEAD + 'ring = "2h"\n',
        '7:8 people.101.ring: "2h" is too large (expected "2s" to "10m")',
    ),
    "a time that is too short": (
        HEAD + '[sip]\nsession_expires = "1m"\n',
        '8:19 sip.session_expires: "1m" is too small (expected "1m30s" to "1d")',
    ),
    "a shortest registration above the longest": (
        HEAD + '[sip]\nexpires = "1m"\nexpires_min = "2m"\n',
        '9:15 sip.expires_min: "2m" is longer than sip.expires "1m"',
    ),
    # Numbers and ports.
    "no contacts": (HEAD + "[sip]\ncontacts = 0\n", "8:12 sip.contacts: 0 is too small (expected 1 to 100)"),
    "too many contacts": (HEAD + "[sip]\ncontacts = 101\n", "8:12 sip.contacts: 101 is too large (expected 1 to 100)"),
    "a port that cannot be": (
        HEAD + '[rtp]\nports = "20000-70000"\n',
        "8:9 rtp.ports: there is no port 70000",
    ),
    "ports backwards": (
        HEAD + '[rtp]\nports = "29999-20000"\n',
        '8:9 rtp.ports: "29999-20000" runs backwards (did you mean "20000-29999"?)',
    ),
    "too few ports": (
        HEAD + '[rtp]\nports = "20000-20003"\n',
        '8:9 rtp.ports: "20000-20003" is 4 ports, too few for one call of two legs',
    ),
    "one port": (
        HEAD + '[rtp]\nports = "20000"\n',
        '8:9 rtp.ports: "20000" is not a range of ports (expected "20000-29999")',
    ),
    "threads": (
        HEAD + "[rtp]\nthreads = 0\n",
        '8:11 rtp.threads: 0 is not a number of threads (expected "auto" or 1 to 64)',
    ),
    # Addresses.
    "a name to listen on": (
        HEAD + '[sip]\nlisten = ["udp:localhost:5060"]\n',
        '8:11 sip.listen: "localhost" is not a numeric address (expected "udp:0.0.0.0:5060" or "tcp:[::]:5060")',
    ),
    "an address without a transport": (
        HEAD + '[sip]\nlisten = "0.0.0.0:5060"\n',
        '8:10 sip.listen: "0.0.0.0:5060" is not an address to listen on '
        '(expected "udp:0.0.0.0:5060" or "tcp:[::]:5060")',
    ),
    "a transport of the future": (
        HEAD + '[sip]\nlisten = ["tls:0.0.0.0:5061"]\n',
        '8:11 sip.listen: this version does not speak tls yet (expected "udp:0.0.0.0:5060" or "tcp:[::]:5060")',
    ),
    "an address twice": (
        HEAD + '[sip]\nlisten = ["udp:0.0.0.0:5060", "udp:0.0.0.0"]\n',
        '8:31 sip.listen: "udp:0.0.0.0" is listed twice',
    ),
    "an address within another": (
        HEAD + '[sip]\nlisten = ["udp:0.0.0.0:5060", "tcp:[::]:5060", "udp:192.0.2.1:5060"]\n',
        '8:48 sip.listen: "udp:192.0.2.1:5060" is already taken by "udp:0.0.0.0:5060"',
    ),
    "signalling among the sound": (
        HEAD + '[sip]\nlisten = ["tcp:0.0.0.0:20001", "udp:0.0.0.0:20000"]\n',
        '8:32 sip.listen: "udp:0.0.0.0:20000" lies inside rtp.ports "20000-29999": a call would take this port',
    ),
    "a public name": (
        HEAD + '[sip]\npublic = "pbx.example"\n',
        '8:10 sip.public: "pbx.example" is not a public address (expected "auto" or "203.0.113.5")',
    ),
    "a network that is none": (
        HEAD + '[sip]\nlocal_nets = ["192.168.0.0/33"]\n',
        '8:15 sip.local_nets: "192.168.0.0/33" is not a network (expected "192.168.0.0/16")',
    ),
    # People and groups.
    "a name for an extension": (
        HEAD + '[people.anna]\nname = "A"\npassword = { env = "P102" }\n',
        '7:1 people.anna: "anna" is not an extension (expected 2 to 8 digits)',
    ),
    "an extension of one digit": (
        HEAD + '[people.1]\nname = "A"\npassword = { env = "P102" }\n',
        '7:1 people.1: "1" is not an extension (expected 2 to 8 digits)',
    ),
    "a group that does not exist": (
        HEAD + 'group = "sale"\n[groups.sales]\nname = "Sales"\n',
        '7:9 people.101.group: there is no group "sale" (did you mean "sales"?)',
    ),
    "a group when there is none": (
        HEAD + 'group = ["sales"]\n',
        '7:10 people.101.group: there is no group "sales" (there are none yet: add [groups.sales])',
    ),
    "a head who does not exist": (
        HEAD + '[groups.sales]\nname = "Sales"\nhead = ["101", "110"]\n',
        '9:16 groups.sales.head: there is no person "110" (did you mean "101"?)',
    ),
    "a group with a blank": (
        HEAD + '[groups."big sales"]\nname = "Sales"\n',
        '7:1 groups."big sales": "big sales" is not a short name (expected letters, digits, - and _)',
    ),
    "an outside number that is national": (
        HEAD + 'outside = "84951234567"\n',
        '7:11 people.101.outside: "84951234567" is not an international number (expected "+74951234567")',
    ),
    # Passwords.
    "no password": (
        SWITCH + '[people.101]\nname = "A"\n',
        '4:1 people.101.password: is missing (expected { env = "NAME" }, { file = "path" } or "generate")',
    ),
    "an empty password": (
        SWITCH + '[people.101]\nname = "A"\npassword = ""\n',
        '6:12 people.101.password: is empty (expected { env = "NAME" }, { file = "path" } or "generate")',
    ),
    "a password by a misspelt way": (
        SWITCH + '[people.101]\nname = "A"\npassword = { evn = "P101" }\n',
        '6:14 people.101.password.evn: unknown key (did you mean "env"?)',
    ),
    "a password two ways": (
        SWITCH + '[people.101]\nname = "A"\npassword = { env = "P101", file = "x" }\n',
        "6:12 people.101.password: { env, file } is not a password "
        '(expected { env = "NAME" }, { file = "path" } or "generate")',
    ),
    "a password as a number": (
        SWITCH + '[people.101]\nname = "A"\npassword = 1234\n',
        '6:12 people.101.password: 1234 is not a password (expected { env = "NAME" }, { file = "path" } or "generate")',
    ),
    "a variable with a blank": (
        SWITCH + '[people.101]\nname = "A"\npassword = { env = "P 101" }\n',
        '6:20 people.101.password.env: "P 101" is not a password '
        '(expected { env = "NAME" }, { file = "path" } or "generate")',
    ),
    "a variable that is not set": (
        SWITCH + '[people.101]\nname = "A"\npassword = { env = "P999" }\n',
        "6:12 people.101.password: the environment variable P999 is not set (export P999=… before starting)",
    ),
    "a variable that is empty": (
        SWITCH + '[people.101]\nname = "A"\npassword = { env = "EMPTY" }\n',
        "6:12 people.101.password: the environment variable EMPTY is empty",
    ),
    "a file that is not there": (
        SWITCH + '[people.101]\nname = "A"\npassword = { file = "secrets/101" }\n',
        "6:12 people.101.password: there is no file secrets/101 "
        "(write the password into it, then: chmod 600 secrets/101)",
    ),
    "a folder for a file": (
        SWITCH + '[people.101]\nname = "A"\npassword = { file = "." }\n',
        "6:12 people.101.password: . cannot be read: is a directory",
    ),
    "a generated password for a provider": (
        HEAD + TRUNK + 'account = { user = "x", password = "generate" }\n',
        "9:36 trunks.provider.account.password: a provider's password cannot be generated "
        '(expected { env = "NAME" }, { file = "path" } or "generate")',
    ),
    # Trunks and rules.
    "a trunk without a server": (
        HEAD + "[trunks.provider]\ncalls = 5\n",
        '7:1 trunks.provider.server: is missing (expected "sip.provider.example" or "203.0.113.5:5060")',
    ),
    "a server with a scheme": (
        HEAD + '[trunks.provider]\nserver = "sip:provider.example"\n',
        '8:10 trunks.provider.server: "sip:provider.example" is not a server '
        '(expected "sip.provider.example" or "203.0.113.5:5060")',
    ),
    "a server's port that cannot be": (
        HEAD + '[trunks.provider]\nserver = "sip.provider.example:99999"\n',
        "8:10 trunks.provider.server: there is no port 99999",
    ),
    "an address by name": (
        HEAD + TRUNK + 'addresses = ["sip.provider.example"]\n',
        '9:14 trunks.provider.addresses: "sip.provider.example" is not a numeric address '
        '(expected "203.0.113.5" or "203.0.113.0/28")',
    ),
    "an address of two trunks": (
        HEAD + TRUNK + '[trunks.backup]\nserver = "x.example"\naddresses = ["203.0.113.0/28"]\n',
        '11:14 trunks.backup.addresses: "203.0.113.0/28" is also an address of trunk "provider": '
        "its calls could be of either",
    ),
    "an account without a user": (
        HEAD + TRUNK + 'account = { password = { env = "P101" } }\n',
        '9:1 trunks.provider.account.user: is missing (expected "74951234567")',
    ),
    "a word inside of an account": (
        HEAD + TRUNK + 'account = { username = "x", password = { env = "P101" } }\n',
        '9:13 trunks.provider.account.username: unknown key (did you mean "user"?)',
    ),
    "a rule to nobody": (
        HEAD + '[[inbound]]\nnumber = "+74951234567"\nto = "person:110"\n',
        '9:6 inbound.to: there is no person "110" (did you mean "101"?)',
    ),
    "a destination without a kind": (
        HEAD + '[[inbound]]\nnumber = "+74951234567"\nto = "101"\n',
        '9:6 inbound.to: "101" is not a destination (did you mean "person:101"?)',
    ),
    "a misspelt kind": (
        HEAD + '[[inbound]]\nnumber = "+74951234567"\nto = "persn:101"\n',
        '9:6 inbound.to: "persn" is not a kind of destination (did you mean "person:101"?)',
    ),
    "a destination that is nearly one": (
        HEAD + '[[inbound]]\nnumber = "+74951234567"\nto = "supervize"\n',
        '9:6 inbound.to: "supervize" is not a destination (did you mean "supervise"?)',
    ),
    "a PIN that is too short": (
        HEAD + 'pin = "1234"\n',
        '7:7 people.101.pin: "…" is not a PIN (expected 6 to 12 digits)',
    ),
    "a PIN without quotes": (
        HEAD + "pin = 271828\n",
        '7:7 people.101.pin: 271828 is not a text (put it in quotes: "271828")',
    ),
    "a PIN that is to be generated": (
        HEAD + 'pin = "generate"\n',
        '7:7 people.101.pin: "generate" is not a PIN (expected 6 to 12 digits)',
    ),
    "a PIN that reads like another's behind its extension": (
        SWITCH
        + '[people.11]\nname = "A"\npassword = { env = "P101" }\npin = { env = "PIN_11" }\n'
        + '[people.110]\nname = "B"\npassword = { env = "P101" }\npin = { env = "PIN_110" }\n',
        "11:7 people.110.pin: behind this extension the PIN reads like extension and PIN of 11",
    ),
    "a destination of the future": (
        HEAD + '[[inbound]]\nnumber = "+74951234567"\nto = "queue:sales"\n',
        '9:6 inbound.to: this version has no "queue:" yet (expected "person:101")',
    ),
    "two codes that begin alike": (
        HEAD + '[codes]\nlisten = "*4"\n',
        '8:10 codes.listen: "*4" cannot be told from codes.whisper "*42": what is dialled begins alike',
    ),
    "a code of digits": (
        HEAD + '[codes]\nlisten = "41"\n',
        '8:10 codes.listen: "41" is not a feature code (expected "*41", or "" for none)',
    ),
    "a code that hides a number outside": (
        HEAD
        + TRUNK
        + '[codes]\nbarge = "*9"\n[[outbound]]\nnumber = "*9X"\ntrunks = ["provider"]\nas = "+74951234567"\n',
        '10:9 codes.barge: "*9" hides the outbound number "*9X" of line 11',
    ),
    "a key that does nothing known": (
        HEAD + '[codes]\nkeys = { 4 = "listn" }\n',
        '8:14 codes.keys.4: "listn" is not what a key does (did you mean "listen"?)',
    ),
    "a key that no telephone has": (
        HEAD + '[codes]\nkeys = { 44 = "listen" }\n',
        '8:15 codes.keys.44: a telephone has no key "44" (expected { 4 = "listen", 5 = "whisper" })',
    ),
    "a rule of an unknown trunk": (
        HEAD + TRUNK + '[[inbound]]\nnumber = "+7495"\nto = "person:101"\ntrunk = "provder"\n',
        '12:9 inbound.trunk: there is no trunk "provder" (did you mean "provider"?)',
    ),
    "a rule through an unknown trunk": (
        HEAD + TRUNK + '[[outbound]]\nnumber = "+7."\ntrunks = ["provider", "backup"]\nas = "+74951234567"\n',
        '11:23 outbound.trunks: there is no trunk "backup" (known here: provider)',
    ),
    "a rule through no trunk": (
        HEAD + '[[outbound]]\nnumber = "+7."\ntrunks = []\nas = "+74951234567"\n',
        "9:10 outbound.trunks: is empty",
    ),
    "a pattern in small letters": (
        HEAD + TRUNK + '[[outbound]]\nnumber = "+7xxx"\ntrunks = "provider"\nas = "+74951234567"\n',
        '10:10 outbound.number: "+7xxx": "x" is no part of a pattern, "X" is (expected "+7XXXXXXXXXX" or "112")',
    ),
    "a pattern that does not close": (
        HEAD + TRUNK + '[[outbound]]\nnumber = "0[1-4"\ntrunks = "provider"\nas = "+74951234567"\n',
        '10:10 outbound.number: "0[1-4": "[" needs digits or ranges and "]", as in [2-49] '
        '(expected "+7XXXXXXXXXX" or "112")',
    ),
    "a caller that is no number": (
        HEAD + TRUNK + '[[outbound]]\nnumber = "+7."\ntrunks = "provider"\nas = "office"\n',
        '12:6 outbound.as: "office" is not an international number (expected "+74951234567")',
    ),
}

WARNINGS = {
    "an API that everybody on the network may listen to": (
        HEAD + '[web]\nlisten = "0.0.0.0:8080"\n',
        '8:10 warning: web.listen: passwords travel in clear to "0.0.0.0:8080" '
        '(listen on 127.0.0.1 behind a proxy with TLS, and write origin = "https://…")',
    ),
    "a head by name only": (
        HEAD + '[groups.sales]\nname = "Sales"\nhead = "101"\n',
        '9:8 warning: groups.sales.head: "101" heads the group but is an employee: he reaches nobody '
        '(write role = "head" in [people.101])',
    ),
    "a password in the file": (
        SWITCH + '[people.101]\nname = "A"\npassword = "long-enough-1"\n',
        "6:12 warning: people.101.password: the password is written in the file itself "
        '(use { env = "PASSWORD_101" } or { file = "…" })',
    ),
    "an easy password": (
        SWITCH + '[people.101]\nname = "A"\npassword = { env = "EASY" }\n',
        "6:12 warning: people.101.password: the password is easily guessed (use 12 characters or more)",
    ),
    "a password to come": (
        SWITCH + '[people.101]\nname = "A"\npassword = "generate"\n',
        "6:12 warning: people.101.password: the password will be generated and shown at the first run",
    ),
    "nobody": (
        SWITCH,
        "1:1 warning: people: nobody is in the office: no phone can register (there are none yet: add [people.101])",
    ),
    "a port for the administrator": (
        HEAD + '[sip]\nlisten = "udp:0.0.0.0:506"\n',
        "8:10 warning: sip.listen: port 506 is below 1024 (start with CAP_NET_BIND_SERVICE, or use 5060)",
    ),
    "ports for two calls": (
        HEAD + '[rtp]\nports = "20000-20009"\n',
        "8:9 warning: rtp.ports: these ports carry 2 calls at once",
    ),
    "a rule that nobody reaches": (
        HEAD
        + '[[inbound]]\nnumber = "+7495."\nto = "person:101"\n'
        + '[[inbound]]\nnumber = "+74951234567"\nto = "person:101"\n',
        "11:10 warning: inbound.number: is never reached: line 7 takes all its calls",
    ),
    "calls without a number to show": (
        HEAD + TRUNK + '[[outbound]]\nnumber = "+7."\ntrunks = "provider"\n',
        '9:1 warning: outbound: some people have no number to show here (add as = "+…", or outside to each person)',
    ),
    "a PIN in the file itself": (
        HEAD + 'pin = "271828"\n',
        "7:7 warning: people.101.pin: the PIN is written in the file itself "
        '(use { env = "PIN_101" } or { file = "…" })',
    ),
    "a PIN that anybody would try": (
        HEAD + 'pin = { env = "EASY" }\n',
        "7:7 warning: people.101.pin: the PIN is easily guessed",
    ),
    "a number for supervision and nobody with a PIN": (
        HEAD + '[[inbound]]\nnumber = "+74951234567"\nto = "supervise"\n',
        "9:6 warning: inbound.to: nobody has a PIN: nobody gets in here "
        '(write pin = { env = "PIN_110" } in [people.110])',
    ),
    "an extension before an emergency number": (
        HEAD
        + '[people.112]\nname = "B"\npassword = { env = "P102" }\n'
        + TRUNK
        + '[[outbound]]\nnumber = "112"\ntrunks = "provider"\nas = "+74951234567"\n',
        '13:10 warning: outbound.number: extension 112 hides the outbound number "112"',
    ),
}

ENVIRONMENT = {**ENVIRON, "EMPTY": "", "EASY": "1234567890", "PIN_11": "0271828", "PIN_110": "271828"}


def _cases(table: dict[str, tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("text", "line"), table.values(), ids=table.keys())


@_cases(SYNTAX)
def test_text_that_is_no_toml_is_refused_with_its_place(tmp_path: Path, text: str, line: str) -> None:
    assert complaints(tmp_path, text) == [line]


@_cases(ONE)
def test_a_mistake_is_named_with_its_place_and_the_right_word(tmp_path: Path, text: str, line: str) -> None:
    assert complaints(tmp_path, text, ENVIRONMENT) == [line]
    with pytest.raises(ConfigError):
        load(tmp_path / "office.toml", ENVIRONMENT)


@_cases(WARNINGS)
def test_what_works_but_hardly_as_meant_is_a_warning(tmp_path: Path, text: str, line: str) -> None:
    assert complaints(tmp_path, text, ENVIRONMENT) == [line]
    load(tmp_path / "office.toml", ENVIRONMENT)


def test_all_mistakes_are_found_at_once_and_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = SWITCH + (
        'language = "de"\n'  # 4
        "[sip]\n"
        "contacts = 0\n"  # 6
        'listen = ["udp:0.0.0.0:99999"]\n'  # 7
        "[people.101]\n"
        "nmae = 1\n"  # 9
        'group = "x"\n'  # 10
        'password = { env = "NONE" }\n'
        "[[outbound]]\n"
        'number = "+7."\n'
        'trunks = ["a", "b"]\n'  # 14, twice
        "[ivr.main]\n"  # 15
    )
    places = [line.split(" ")[0] for line in complaints(tmp_path, text)]
    assert places == ["4:12", "6:12", "7:11", "9:1", "10:9", "14:11", "14:16", "15:1"]


def test_a_wrong_table_hides_no_password_that_cannot_be_read(tmp_path: Path) -> None:
    text = HEAD + '[people.102]\nname = "B"\npassword = { env = "NONE" }\n[sip]\ncontacts = 0\n'
    assert [line.split(" ")[1] for line in complaints(tmp_path, text)] == ["people.102.password:", "sip.contacts:"]


def test_columns_count_characters_and_not_bytes(tmp_path: Path) -> None:
    text = SWITCH + '[people.101]\nname = "Анна"\npassword = { "env" = "P101", "файл" = "x" }\n'
    assert complaints(tmp_path, text)[0].startswith("6:30 people.101.password.")


def test_mistakes_are_told_in_russian_too(tmp_path: Path) -> None:
    text = HEAD + 'group = "sale"\nring = 30\n[groups.sales]\nname = "S"\n[sip]\ncontacts = 0\n'
    assert complaints(tmp_path, text, language="ru") == [
        '7:9 people.101.group: нет группы «sale» (может быть, "sales"?)',
        '8:8 people.101.ring: 30 — время без единицы (может быть, "30s"?)',
        "12:12 sip.contacts: 0 — слишком мало (ожидается от 1 до 100)",
    ]


def test_what_is_still_to_come_is_named_in_russian_too(tmp_path: Path) -> None:
    said = complaints(tmp_path, HEAD + "[queues.sales]\n", language="ru")
    assert said == ["7:1 queues: в этой версии ещё нет: очереди"]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml", {})
    assert str(caught.value) == (
        f"{tmp_path}/none.toml:1:1 there is no such file (give the path of the office's TOML file)"
    )


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "office.toml").write_bytes('[switch]\nname = "Ромашка"\n'.encode("cp1251"))
    with pytest.raises(ConfigError, match=r":1:1 the file is not UTF-8 text \(save it as UTF-8\)$"):
        load(tmp_path / "office.toml", {})


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the file cannot be read: is a directory$"):
        load(tmp_path, {})


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "office.toml").write_text("x = " + "[" * 20_000)
    with pytest.raises(ConfigError, match=r":1:1 tables or arrays are nested too deeply$"):
        load(tmp_path / "office.toml", {})
