"""Sphinx: MyST pages, furo theme; the configuration reference is written from the schema at each build."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from softswitch.config import reference

project = "Softswitch"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
html_theme = "furo"
html_title = "Softswitch"
exclude_patterns = ["_build"]

(Path(__file__).parent / "reference" / "configuration.md").write_text(reference.markdown(), encoding="utf-8")
