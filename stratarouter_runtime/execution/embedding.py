"""Turning a query into a vector without holding up the event loop."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.errors import EncodingError, StrataError

if TYPE_CHECKING:
    from stratarouter.types import FloatArray
    from stratarouter_runtime.protocols import BlockingDoor

__all__ = ["embed_query"]


async def embed_query(encoder: Any, query: str, door: BlockingDoor) -> FloatArray:
    """Return the embedding of one text.

    Parameters
    ----------
    encoder : Encoder
        One with an ``aencode`` is awaited, another one runs in a thread.
    query : str
        The text.
    door : BlockingDoor
        Where a blocking encoder runs.

    Returns
    -------
    FloatArray, shape (d,)
        As the encoder made it; the router checks width and values.

    Raises
    ------
    EncodingError
        If the encoder fails, or returns anything but one vector.
    SaturatedError
        If it is blocking and no thread is free.
    """
    encode = getattr(encoder, "aencode", None)
    try:
        rows = (
            await encode([query])
            if encode is not None
            else await door.run(encoder.encode, [query], what="the encoder")
        )
        if inspect.isawaitable(rows):
            rows = await rows
        array = np.asarray(rows, dtype=np.float32)
    except StrataError:
        raise
    except Exception as error:
        raise EncodingError(f"the encoder raised {type(error).__name__}: {error}") from error
    if array.ndim == 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 1:
        raise EncodingError(
            f"the encoder returned shape {array.shape} for one text; expected (1, d)"
        )
    return array
