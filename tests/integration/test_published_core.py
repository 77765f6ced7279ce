"""The published spellings of the router."""
