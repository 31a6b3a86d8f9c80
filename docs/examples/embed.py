"""A host program with a switch inside: it prints what happens and answers the number 600 itself."""

import asyncio
import sys

from softswitch import ActionCall, Switch, load
from softswitch.media.engine import Tone


async def host(path: str) -> None:
    switch = Switch(load(path))

    @switch.action("600")
    async def front_desk(call: ActionCall) -> None:
        await call.answer()
        await call.play(Tone((440.0,), cadence=(0.3, 0.2), repeat=2))
        await call.dial("102" if await call.digit(within=5) == "2" else "101")

    async with switch:
        async for event in switch.events():
            print(event.at.time(), type(event).__name__)


if __name__ == "__main__":
    asyncio.run(host(sys.argv[1]))
