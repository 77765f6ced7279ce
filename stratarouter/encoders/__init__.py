"""Encoders: text in, unit vectors out."""

from typing import TYPE_CHECKING

from stratarouter.encoders.adapters import FunctionEncoder, SingleTextEncoder
from stratarouter.encoders.base import BaseEncoder, CheckedEncoder, ensure_encoder
from stratarouter.encoders.cached import CachedEncoder, EncoderCacheStats
from stratarouter.encoders.hashing import HashingEncoder

if TYPE_CHECKING:
    from stratarouter.encoders.onnx import OnnxEncoder

__all__ = [
    "BaseEncoder",
    "CachedEncoder",
    "CheckedEncoder",
    "EncoderCacheStats",
    "FunctionEncoder",
    "HashingEncoder",
    "OnnxEncoder",
    "SingleTextEncoder",
    "ensure_encoder",
]


def __getattr__(name: str) -> object:
    if name == "OnnxEncoder":
        from stratarouter.encoders.onnx import OnnxEncoder

        return OnnxEncoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
