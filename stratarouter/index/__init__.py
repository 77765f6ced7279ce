"""Candidate search over route prototypes."""

from stratarouter.index.choosing import IndexReport, choose_index, may_choose_graph
from stratarouter.index.flat import FlatIndex
from stratarouter.index.hnsw import HnswIndex

__all__ = ["FlatIndex", "HnswIndex", "IndexReport", "choose_index", "may_choose_graph"]
