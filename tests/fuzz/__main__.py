"""Fuzz one target, guided by coverage: ``python -m tests.fuzz rtcp -max_total_time=60 -rss_limit_mb=1000``.

Needs the package atheris, which is built for some versions of Python only; the
options are those of libFuzzer. What breaks a target is left as a file ``crash-...``.
"""

from __future__ import annotations

import sys


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["softswitch.rtp", "softswitch.sip", "softswitch.media"]):
        from tests.fuzz.targets import TARGETS
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"which target? {', '.join(TARGETS)}")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
