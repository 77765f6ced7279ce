"""Keeping answers, each in its owner's partition."""
