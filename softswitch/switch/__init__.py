"""The composition root: builds every part from settings, and starts and stops them in order."""

from softswitch.switch.run import run
from softswitch.switch.switch import Switch

__all__ = ["Switch", "run"]
