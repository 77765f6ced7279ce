"""Candidate search over route prototypes."""

from stratarouter.index.flat import FlatIndex

__all__ = ["FlatIndex"]
