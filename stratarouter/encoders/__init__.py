"""Encoders: text in, unit vectors out."""

from stratarouter.encoders.adapters import FunctionEncoder, SingleTextEncoder
from stratarouter.encoders.base import BaseEncoder, CheckedEncoder, ensure_encoder

__all__ = [
    "BaseEncoder",
    "CheckedEncoder",
    "FunctionEncoder",
    "SingleTextEncoder",
    "ensure_encoder",
]
