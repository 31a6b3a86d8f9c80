"""A call-processing centre in one program, and in any other program that embeds it.

from softswitch import Switch, load

async with Switch(load("softswitch.toml")) as switch:
    async for event in switch.events():
        print(event)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softswitch.config import load
    from softswitch.switch import Switch
    from softswitch.switch.action import ActionCall

__all__ = ["ActionCall", "Switch", "__version__", "load"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Imported when first asked for: the command line's help must not wait for the media core.
    if name == "Switch":
        from softswitch.switch import Switch

        return Switch
    if name == "ActionCall":
        from softswitch.switch.action import ActionCall

        return ActionCall
    if name == "load":
        from softswitch.config import load

        return load
    raise AttributeError(name)
