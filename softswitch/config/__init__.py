"""The office's TOML file, from text to frozen settings.

Nothing but the composition root and the command line imports this package;
everything else is given its own settings.
"""

from softswitch.config.changes import diff
from softswitch.config.load import Loaded, load
from softswitch.config.settings import Settings
from softswitch.errors import ConfigError, Problem

__all__ = ["ConfigError", "Loaded", "Problem", "Settings", "diff", "load"]
