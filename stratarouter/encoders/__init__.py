"""Encoders: text in, unit vectors out."""

from stratarouter.encoders.adapters import FunctionEncoder, SingleTextEncoder
from stratarouter.encoders.base import BaseEncoder, CheckedEncoder, ensure_encoder
from stratarouter.encoders.cached import CachedEncoder, EncoderCacheStats
from stratarouter.encoders.hashing import HashingEncoder

__all__ = [
    "BaseEncoder",
    "CachedEncoder",
    "CheckedEncoder",
    "EncoderCacheStats",
    "FunctionEncoder",
    "HashingEncoder",
    "SingleTextEncoder",
    "ensure_encoder",
]
