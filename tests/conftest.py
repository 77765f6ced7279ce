"""Settings that every test shares."""

from __future__ import annotations

from hypothesis import settings

# The same examples on every machine and in every run: a failure is a finding, never bad luck.
settings.register_profile(
    "deterministic", derandomize=True, database=None, deadline=None, print_blob=True
)
# New examples in every run, many of them; `make prove` asks for it.
settings.register_profile("prove", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("deterministic")
