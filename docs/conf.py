"""Sphinx: MyST pages, furo theme; the references are written from the schemas at each build."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from softswitch.api.http import reference as api_reference
from softswitch.config import reference

project = "Softswitch"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
html_theme = "furo"
html_title = "Softswitch"
exclude_patterns = ["_build"]

_written = Path(__file__).parent / "reference"
_written.mkdir(exist_ok=True)
(_written / "configuration.md").write_text(reference.markdown(), encoding="utf-8")
(_written / "api.md").write_text(api_reference.markdown(), encoding="utf-8")
