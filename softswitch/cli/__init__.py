"""The command line: ``softswitch run``, ``check``, ``status`` and the rest.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no switch is running.
Only click is imported until a command needs more, so that ``--help`` and shell
completion are immediate.
"""

from softswitch.cli.main import main

__all__ = ["main"]
