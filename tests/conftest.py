"""Settings that all tests share."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Shared two-core machines stall now and then: a slow example is no failure. Speed is measured in benchmarks/.
settings.register_profile("quick", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What stands between a change and main answers the same twice: the search for what nobody thought of is ``deep``'s.
settings.register_profile("ci", settings.get_profile("quick"), derandomize=True)
settings.register_profile("deep", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
