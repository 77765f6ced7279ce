"""Rules of the runtime: pure functions and values that are told the time."""
