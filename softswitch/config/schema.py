"""The shape of the office's file: one model per table, unknown keys refused, every key described.

The descriptions are the reference manual: ``config.reference`` prints them.
"""

from __future__ import annotations

import ipaddress
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from softswitch.config import kinds
from softswitch.config.settings import Listener, Network
from softswitch.directory.people import Role
from softswitch.media.engine import Codec

__all__ = [
    "TABLES",
    "AccountTable",
    "CodesTable",
    "GroupTable",
    "InboundTable",
    "OutboundTable",
    "PersonTable",
    "RecordingTable",
    "RtpTable",
    "SipTable",
    "SwitchTable",
    "Table",
    "TrunkTable",
    "WebTable",
]

LOCAL_NETS: tuple[Network, ...] = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128")
)
"""RFC 1918, RFC 4193, link-local and loopback."""


class Table(BaseModel):
    """What all tables share; ``header`` is how the table is written, ``about`` what it is for."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )
    header: ClassVar[str] = ""
    about: ClassVar[str] = ""


class SwitchTable(Table):
    header: ClassVar[str] = "[switch]"
    about: ClassVar[str] = "The office as a whole. The only table that must be there."

    name: kinds.Line = Field(description="The office's name, for people.")
    domain: kinds.Domain = Field(
        description="SIP domain of the office and realm of its passwords: when it changes, every phone registers anew."
    )
    language: kinds.LanguageWord = Field("en", description="Language of prompts, timelines and messages.")
    timezone: kinds.Timezone = Field("UTC", description="Time zone of the office, by its name in the tz database.")
    country: kinds.Country = Field(
        "RU", description="Country whose rules read national numbers into +E.164, and whose tones callers hear."
    )
    area: kinds.Area = Field("", description="Area code put before a number that is only complete within the town.")
    data: kinds.FilePath = Field(
        "var", description="Folder of the database, recordings and the control socket; relative to this file."
    )
    database: kinds.DatabaseUrl = Field(
        "sqlite",
        description='"sqlite" keeps one file in the data folder. A PostgreSQL URL may come from `{ env = "NAME" }`.',
    )
    music: kinds.FilePath | None = Field(
        None,
        description="Sound file, a folder of them or a playlist (.m3u) for who is held; without it a quiet melody of "
        "our own.",
    )
    music_play: kinds.MusicWord = Field(
        "order",
        description='"order": each held party hears it from the beginning, and goes on where he left off. "shuffle": '
        'in another order, each from another piece. "together": all hear the same moment of it, as from a radio.',
    )


class SipTable(Table):
    header: ClassVar[str] = "[sip]"
    about: ClassVar[str] = "Signalling: where phones and providers reach the switch."

    listen: kinds.Listeners = Field(
        (Listener("udp", "0.0.0.0", 5060), Listener("tcp", "0.0.0.0", 5060)),
        description='Addresses to listen on, "transport:address:port"; IPv6 in brackets; port 0 takes a free one.',
    )
    public: kinds.Public = Field(
        "auto",
        description='Address told to peers outside `local_nets`. "auto" is the address of the interface that '
        "reaches them; behind a router with NAT write its outer address.",
    )
    local_nets: kinds.Networks = Field(
        LOCAL_NETS, description="Networks whose peers are told the inner address; the private ranges by default."
    )
    digest: kinds.Digests = Field(
        ("MD5",),
        description='Hashes of the challenges, in the order offered. `["SHA-256", "MD5"]` is what RFC 8760 wants; '
        "but baresip before 2.0 and SIPp stop at a hash that they do not know: try it with every phone you have.",
    )
    expires: kinds.Lifetime = Field(3600.0, description="Longest registration granted to a phone.")
    expires_min: kinds.Refresh = Field(60.0, description="Shortest registration; a phone asking for less is told so.")
    contacts: int = Field(10, ge=1, le=100, description="Phones that one person may have registered at a time.")
    keep_alive: kinds.KeepAlive = Field(
        10.0,
        description="How often a registered phone is asked whether it is there; one that is silent for 15 s is not.",
    )
    session_expires: kinds.SessionTimer = Field(
        1800.0, description="A call whose peer does not refresh it for so long is ended (RFC 4028)."
    )


class RtpTable(Table):
    header: ClassVar[str] = "[rtp]"
    about: ClassVar[str] = "Sound: ports, codecs and the threads that carry it."

    ports: kinds.Ports = Field((20000, 29999), description="UDP ports for sound, inclusive; a call takes four.")
    codecs: kinds.Codecs = Field(
        (Codec.OPUS, Codec.G722, Codec.PCMA, Codec.PCMU),
        description="Codecs offered, the best first; both sides may differ. What only the two telephones know "
        "passes between them unheard.",
    )
    threads: kinds.Threads = Field(None, description='Media threads; "auto" is one less than the cores.')
    timeout: kinds.Silence = Field(60.0, description="A call from which no sound packet comes for so long is ended.")


class RecordingTable(Table):
    header: ClassVar[str] = "[recording]"
    about: ClassVar[str] = "Recordings: stereo WAV, the customer left, the employee right."

    what: kinds.What = Field("all", description='"all" conversations or "none"; a person may differ.')
    folder: kinds.FilePath = Field("recordings", description="Where files go; relative to the data folder.")
    whisper_track: bool = Field(
        True,
        description="Give each file a third channel with what supervisors and prompters say; without it that is not "
        "recorded, and files are a third smaller. Over the API heads and directors get it, those who talked do not.",
    )
    keep: kinds.Keep = Field(
        None,
        description='How long files stay after their end, as "180d"; then they are deleted, within an hour. '
        '"forever" deletes none. `softswitch recordings --expired` shows what would go.',
    )


class WebTable(Table):
    header: ClassVar[str] = "[web]"
    about: ClassVar[str] = (
        "The API over HTTP, for programs and the workplace. Without this table there is none; passwords are set with "
        "`softswitch password 101`."
    )

    listen: kinds.WebListener = Field(
        ("127.0.0.1", 8080),
        description="Numeric address and port. Beyond this machine put a proxy with TLS before it; port 0 takes a "
        "free one.",
    )
    origin: kinds.Origin | None = Field(
        None, description="What browsers call it behind a proxy; other sites are refused. None: its own address."
    )
    proxies: kinds.Addresses = Field(
        (), description="Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."
    )


class CodesTable(Table):
    header: ClassVar[str] = "[codes]"
    about: ClassVar[str] = (
        "What people dial, with an extension behind it, and what they press while they supervise. "
        '"" switches a code off.'
    )

    listen: kinds.Code = Field("*41", description="Listen to a colleague; nobody hears who listens.")
    whisper: kinds.Code = Field("*42", description="Listen, and be heard by the colleague alone.")
    barge: kinds.Code = Field("*43", description="Join the conversation: both hear it.")
    help: kinds.Code = Field(
        "*44", description="During a conversation: ask a colleague to prompt; without an extension, end the help."
    )
    mask: kinds.Code = Field(
        "*45",
        description="During a conversation, on a second line: record nothing more of it, until dialled again.",
    )
    skill: kinds.Code = Field(
        "*46",
        description="During a conversation, with the number of a skill behind it: ask whoever is free and has it to "
        "prompt. Without a number it is the only skill of the office.",
    )
    review: kinds.Code = Field(
        "*47",
        description="Ask the heads for a review of one's own conversation: the present one, from a second line, "
        "or else the last one.",
    )
    back: kinds.Key = Field(
        "*",
        description="Key by which an employee who waits while a head talks in his place joins them.",
    )
    keys: kinds.Keys | None = Field(
        None,
        description='Keys of whoever supervises: 0 "aside" (the customer waits with music, or comes back), '
        '1 "park" (take over while the employee waits with music, or give back), 3 "whisper to customer", '
        '4 "listen", 5 "whisper", 6 "barge", 7 "take over", 8 "quieter", 9 "louder" and # "next" (conversation) '
        "unless you write others.",
    )


class PersonTable(Table):
    header: ClassVar[str] = "[people.101]"
    about: ClassVar[str] = (
        "A person, known by the extension in the header; the phone registers with it and the password."
    )

    name: kinds.Line = Field(description="The person's name, shown to whom the person calls inside the office.")
    password: kinds.Password = Field(
        description='The phone\'s password: `{ env = "NAME" }`, `{ file = "path" }` (its first line; relative to this '
        'file), or "generate" to have one made and shown at the first run. A literal works, with a warning.'
    )
    group: kinds.Groups = Field((), description="Group, or list of groups, that the person belongs to.")
    role: kinds.RoleWord = Field(Role.EMPLOYEE, description='"employee", "head", "director" or "admin".')
    devices: kinds.Devices = Field(("phone",), description='What rings; "phone" is every registered SIP phone.')
    ring: kinds.RingTime = Field(60.0, description='How long the devices ring before "no answer".')
    outside: kinds.E164 | None = Field(None, description="Number shown on calls through a trunk, not the rule's.")
    record: bool | None = Field(None, description="Record this person's conversations, whatever [recording] says.")
    monitored: bool = Field(
        True, description="Whether heads and directors may supervise this person and hear recordings of him."
    )
    whisper_customer: bool = Field(
        False, description="As a head, may whisper to the customer too; directors and administrators may anyway."
    )
    digits: kinds.DigitsWord = Field(
        "auto",
        description='How digits of others are sent to the phone. "auto": as RFC 4733 events where the phone has them, '
        'else by INFO if it has shown that it takes that, else as tones. "info" or "sound": only so; it is not '
        "asked for events either.",
    )
    skills: kinds.Skills = Field((), description="Skill, or list of skills, for which colleagues may ask this person.")
    pin: kinds.Pin | None = Field(
        None,
        description='6 to 12 digits to supervise from any telephone, as `{ env = "NAME" }` or `{ file = "path" }`; '
        'needs a number with `to = "supervise"`. A literal works, with a warning.',
    )


class GroupTable(Table):
    header: ClassVar[str] = "[groups.sales]"
    about: ClassVar[str] = "A group of people, known by the short name in the header."

    name: kinds.Line = Field(description="The group's name, for people.")
    head: kinds.People = Field((), description="Extension, or list of extensions, of those who head the group.")
    disclosure: kinds.DisclosureWord = Field(
        "none", description="Who hears it when somebody begins to supervise a person of the group."
    )
    announcement: kinds.FilePath | None = Field(
        None, description="Sound file that they hear, relative to this file; without it two short beeps."
    )
    shown: bool = Field(
        False,
        description="Whether the people of the group see who supervised them, in timelines, in lists and live. Heads "
        "and directors see it anyway.",
    )


class SkillTable(Table):
    header: ClassVar[str] = "[skills.tariffs]"
    about: ClassVar[str] = (
        "What an employee may ask help for during a conversation; the short name is in the header. Of the people who "
        "have it, those who are free and registered are rung: first who helped least in the last hour, and of these "
        "who has been idle longest."
    )

    name: kinds.Line = Field(description="The skill's name, for people.")
    number: kinds.SkillNumber | None = Field(None, description='What is dialled behind codes.skill: "1" to "999".')
    ring: kinds.TurnWord = Field("in turn", description='"in turn": one after another; "all": all at once.')
    each: kinds.TurnTime = Field(12.0, description="How long each rings when they are rung in turn.")


class AccountTable(Table):
    header: ClassVar[str] = "account"
    about: ClassVar[str] = "Inside a trunk: what answers the provider's challenges."

    user: kinds.UserName = Field(description="User name at the provider.")
    password: kinds.Password = Field(description="As a person's password, but it cannot be generated.")
    realm: kinds.Line | None = Field(None, description="Answer challenges of this realm only.")


class TrunkTable(Table):
    header: ClassVar[str] = "[trunks.provider]"
    about: ClassVar[str] = "A provider or another exchange, known by its address; the short name is in the header."

    server: kinds.Server = Field(description='Where calls are sent: "sip.provider.example" or "203.0.113.5:5060".')
    transport: kinds.TransportWord = Field("udp", description='"udp" or "tcp"; large requests go over TCP anyway.')
    addresses: kinds.Addresses = Field(
        (), description="Addresses or networks from which the provider's calls come, besides those of its server."
    )
    account: AccountTable | None = Field(
        None, description="`{ user = …, password = …, realm = … }`: answers the provider's challenges."
    )
    timeout: kinds.TrunkPatience = Field(
        4.0, description="A call to which the trunk does not react at all for so long goes to the next trunk."
    )
    keep_alive: kinds.TrunkQuestions = Field(
        30.0,
        description="How often the trunk is asked by OPTIONS whether it is there. One that stops answering is tried "
        'last, until it has answered three times again. "off" asks never.',
    )
    digits: kinds.DigitsWord = Field(
        "auto", description='How digits are sent to the trunk: "auto", "info" or "sound", as for a person.'
    )
    calls: int | None = Field(
        None, ge=1, le=100_000, description="At most so many calls at a time; without it no bound."
    )


class InboundTable(Table):
    header: ClassVar[str] = "[[inbound]]"
    about: ClassVar[str] = "Where calls from trunks go. Rules are tried in order; the first that fits decides."

    number: kinds.NumberPattern = Field(description="Number called, or a pattern; held against +E.164.")
    to: kinds.Destination = Field(
        description='Destination: "person:101", or "supervise" for those who supervise from outside with a PIN.'
    )
    trunk: kinds.TrunkRef | None = Field(None, description="Only calls of this trunk; of any if left out.")


class OutboundTable(Table):
    header: ClassVar[str] = "[[outbound]]"
    about: ClassVar[str] = "Which outside numbers people may call, and through what. The first rule that fits decides."

    number: kinds.NumberPattern = Field(
        description='Pattern of the number: "+7XXXXXXXXXX" is held against +E.164, "112" against what was dialled.'
    )
    trunks: kinds.Trunks = Field(description="Trunks in order: the next is tried when one fails or is full.")
    caller: kinds.E164 | None = Field(
        None, alias="as", description="Number shown to the called party, unless the person has one of their own."
    )


TABLES: tuple[type[Table], ...] = (
    SwitchTable,
    SipTable,
    RtpTable,
    RecordingTable,
    WebTable,
    CodesTable,
    PersonTable,
    GroupTable,
    SkillTable,
    TrunkTable,
    AccountTable,
    InboundTable,
    OutboundTable,
)
"""All tables in the order of the manual."""
