"""Recordings as downloads: ranges, links, paths, and an event for each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.api.http.recordings import BehindTheEnd, open_below, range_of
from softswitch.errors import NoSuch
from softswitch.events import RecordingFinished, RecordingStarted
from softswitch.media.wav import Form, header
from tests.api.http.office import Office, office
from tests.records.story import call

SOUND = bytes(range(256)) * 1000
PATH = "/api/v1/conversations/c1/recordings/1"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        opened.recordings.mkdir()
        (opened.recordings / "c1.wav").write_bytes(SOUND)
        yield opened


async def test_a_recording_is_downloaded_whole_and_that_is_an_event(here: Office):
    answer = await (await here.client("110")).get(PATH)
    assert (answer.status_code, answer.content) == (200, SOUND)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-disposition"] == 'attachment; filename="c1.wav"'
    assert answer.headers["cache-control"] == "no-store"
    (use,) = here.uses()
    assert (use.by, use.action, use.about, use.conversation) == ("110", "download recording", ("101", "102"), "c1")


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=255999-", 255_999, 255_999),
        ("bytes=-10", 255_990, 255_999),
        ("bytes=0-", 0, 255_999),
        ("bytes=10-999999999", 10, 255_999),
        ("bytes=-999999999", 0, 255_999),
    ],
)
async def test_a_player_asks_for_a_part(here: Office, wanted: str, first: int, last: int):
    answer = await (await here.client("110")).get(PATH, headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/256000"
    assert answer.content == SOUND[first : last + 1]


@pytest.mark.parametrize("wanted", ["bytes=256000-", "bytes=999999999-", "bytes=-0"])
async def test_a_part_behind_the_end_is_none(here: Office, wanted: str):
    answer = await (await here.client("110")).get(PATH, headers={"Range": wanted})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */256000")


@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "x", "bytes=1-2x"])
async def test_a_range_that_is_not_understood_is_ignored(here: Office, wanted: str):
    answer = await (await here.client("110")).get(PATH, headers={"Range": wanted})
    assert (answer.status_code, len(answer.content)) == (200, 256_000)


async def test_a_part_of_another_version_is_not_mixed_in(here: Office):
    client = await here.client("110")
    tag = (await client.get(PATH)).headers["etag"]
    part = {"Range": "bytes=0-9"}
    assert (await client.get(PATH, headers=part | {"If-Range": tag})).status_code == 206
    assert (await client.get(PATH, headers=part | {"If-Range": '"other"'})).status_code == 200


async def test_a_player_that_asks_in_pieces_is_one_event(here: Office):
    client = await here.client("110")
    for first in range(0, 5000, 1000):
        await client.get(PATH, headers={"Range": f"bytes={first}-{first + 999}"})
    assert len(here.uses()) == 1
    here.clock.advance_to(here.clock.now() + 61.0)
    await client.get(PATH, headers={"Range": "bytes=9000-"})
    assert len(here.uses()) == 2


async def test_whoever_may_not_hear_it_learns_why_and_it_is_told(here: Office):
    for who, reason in (("111", "not own"), ("120", "other group")):
        answer = await (await here.client(who)).get(PATH)
        assert (answer.status_code, answer.json()["reason"]) == (403, reason)
    assert [(event.by, event.conversation) for event in here.refusals()] == [("111", "c1"), ("120", "c1")]
    here.change("102", monitored=False)
    answer = await (await here.client("100")).get(PATH)
    assert (answer.status_code, answer.json()["reason"]) == (403, "not monitored")
    assert (await (await here.client("102")).get(PATH)).status_code == 200


@pytest.mark.parametrize("number", ["2", "0", "-1", "1.5", "..%2f1", "1%00", "99999999999999999999"])
async def test_there_is_no_other_recording(here: Office, number: str):
    answer = await (await here.client("110")).get(f"/api/v1/conversations/c1/recordings/{number}")
    assert answer.status_code in (404, 422)


async def test_a_recording_that_is_being_written_waits(here: Office):
    assert (await (await here.client("110")).get("/api/v1/conversations/running/recordings/1")).status_code == 409


NAMES = ["../softswitch.db", "/etc/passwd", "a/../../x", "", ".", "..", "a//b", "x\0y", "none.wav"]
LINKS = ["link.wav", "folder/c1.wav", "folder", "fifo"]


@pytest.mark.parametrize("name", NAMES + LINKS)
async def test_nothing_but_a_file_below_the_folder_is_ever_opened(here: Office, name: str):
    outside = here.folder / "outside"
    outside.mkdir()
    (outside / "c1.wav").write_bytes(b"canary")
    (here.recordings / "link.wav").symlink_to(outside / "c1.wav")
    (here.recordings / "folder").symlink_to(outside)
    os.mkfifo(here.recordings / "fifo")
    with pytest.raises(NoSuch):
        open_below(here.recordings, name)
    for event in call("evil", start=500.0):
        recording = isinstance(event, RecordingStarted | RecordingFinished)
        here.happen([replace(event, path=name) if recording else event])
    answer = await (await here.client("110")).get("/api/v1/conversations/evil/recordings/1")
    assert answer.status_code == 404
    assert b"canary" not in answer.content


async def test_no_descriptor_stays_open(here: Office):
    client = await here.client("110")
    await client.get(PATH)
    before = len(os.listdir("/proc/self/fd"))
    for wanted in ("bytes=0-9", "bytes=999999-", "x"):
        for _ in range(10):
            await client.get(PATH, headers={"Range": wanted})
    assert len(os.listdir("/proc/self/fd")) <= before + 3


@given(st.text(max_size=20) | st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True), st.integers(0, 3000))
def test_a_range_lies_within_the_file(header: str, size: int):
    try:
        part = range_of(header, size)
    except BehindTheEnd:
        return
    assert part is None or 0 <= part[0] <= part[1] < size


def three_tracks(frames: int) -> tuple[bytes, bytes]:
    """A file of three channels, and what of it whoever may not hear the third gets: counted by hand."""
    samples = [(n & 0xFF, 1, n & 0xFF, 2, n & 0xFF, 3) for n in range(frames)]
    whole = header(6 * frames, Form(3)) + b"".join(map(bytes, samples))
    return whole, header(4 * frames, Form(2)) + b"".join(bytes(one[:4]) for one in samples)


async def test_what_was_whispered_is_for_heads_and_not_for_those_who_talked(here: Office):
    whole, stereo = three_tracks(50_000)
    (here.recordings / "c1.wav").write_bytes(whole)
    got = {who: (await (await here.client(who)).get(PATH)).content for who in ("101", "102", "110", "100")}
    assert got == {"101": stereo, "102": stereo, "110": whole, "100": whole}


@pytest.mark.parametrize(("first", "last"), [(0, 10), (40, 47), (43, 43), (45, 50), (46, 70_001), (199_990, 200_043)])
async def test_a_part_without_what_was_whispered_is_one_of_the_whole_without_it(here: Office, first: int, last: int):
    whole, stereo = three_tracks(50_000)
    (here.recordings / "c1.wav").write_bytes(whole)
    answer = await (await here.client("101")).get(PATH, headers={"Range": f"bytes={first}-{last}"})
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(stereo)}"
    assert answer.content == stereo[first : last + 1]


@pytest.mark.parametrize("content", [b"", b"RIFF", b"x" * 43, SOUND[:5000]])
async def test_what_is_no_recording_of_three_tracks_is_given_as_it_is(here: Office, content: bytes):
    (here.recordings / "c1.wav").write_bytes(content)
    assert (await (await here.client("101")).get(PATH)).content == content
