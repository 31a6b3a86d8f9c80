"""What a virtual telephone reads and remembers: messages as lists of lines, and its one dialog."""

from __future__ import annotations

import re
from dataclasses import dataclass


class Message:
    """One SIP message as lists of lines; header names are lower-case."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        self.start, *lines = head.decode().split("\r\n")
        self.headers = [(n.strip().lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines)]
        words = self.start.split(" ", 2)
        self.is_response = words[0] == "SIP/2.0"
        self.status = int(words[1]) if self.is_response else 0
        self.cseq = int(self["cseq"].split()[0])
        self.method = self["cseq"].split()[1]
        self.request = "" if self.is_response else words[0]
        self.target = "" if self.is_response else words[1]

    def __getitem__(self, name: str) -> str:
        return next((v for n, v in self.headers if n == name), "")

    def all(self, name: str) -> list[str]:
        return [v for n, v in self.headers if n == name]

    def uri(self, name: str) -> str:
        found = re.search(r"<([^>]*)>", self[name])
        return found.group(1) if found else self[name].split(";")[0]

    def tag(self, name: str) -> str:
        found = re.search(r";tag=([^;>\s]+)", self[name])
        return found.group(1) if found else ""

    @property
    def branch(self) -> str:
        found = re.search(r"branch=([^;,\s]+)", self["via"])
        return found.group(1) if found else ""

    def __repr__(self) -> str:
        return f"<{self.start} | {self['cseq']}>"


@dataclass
class Dialog:
    call_id: str
    local: str
    remote: str
    target: str
    routes: list[str]
    cseq: int = 1
    remote_cseq: int = 0
    invite: Message | None = None
    invite_cseq: int = 0
    invite_branch: str = ""
    outgoing: bool = True
    state: str = "inviting"
