"""An encoder that runs a sentence model with onnxruntime, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from stratarouter.encoders.base import BaseEncoder
from stratarouter.encoders.checks import check_texts
from stratarouter.encoders.onnx_folder import read_model_folder
from stratarouter.encoders.onnx_session import OnnxModel, load_tokenizer
from stratarouter.errors import ConfigurationError, EncodingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from stratarouter.encoders.onnx_folder import ModelFolder

__all__ = ["OnnxEncoder", "Pooling"]

Pooling: TypeAlias = Literal["mean", "cls"]
"""How token vectors become one: their mean without padding, or the first one."""

# Whoever changes anything that moves a vector has to raise this number, since saved vectors are
# compared only with those of the same encoder_id.
_VERSION = 1

_USUAL_BATCH_SIZE = 32
_SAME_ROW = 1e-5
_PROBE_LENGTHS = (3, 7, 12)

# The tokenizer reads a text to its end before it cuts off what is too long, which takes seconds for
# a megabyte. Text has 3 to 8 characters per token; only what is no text has more than this.
_CHARACTERS_PER_TOKEN = 32


class OnnxEncoder(BaseEncoder):
    """Encodes texts by a model in a folder, in the layout of Hugging Face exports.

    The folder holds ``model.onnx`` or ``onnx/model.onnx`` and ``tokenizer.json``; beside them
    ``config.json``, ``sentence_bert_config.json``, ``tokenizer_config.json`` and
    ``1_Pooling/config.json`` are heeded where they exist. Nothing is downloaded. The model reads
    ``input_ids``, maybe ``attention_mask`` and ``token_type_ids``, and returns vectors per token
    (``last_hidden_state``), which are pooled, or per text (``sentence_embedding``).

    The model is loaded, run once and checked at construction, so that the first query is as fast as
    the others. One instance may be used by several threads. Needs the extra ``onnx``.

    Parameters
    ----------
    folder : str or Path
        Where the model is.
    model_file : str, optional
        Path of the model in the folder, for folders with several.
    max_length : int, optional
        Tokens to read of a text, special ones included; the rest is ignored. None takes what the
        folder says, at most 512, or 256 if it says nothing.
    batch_size : int, optional
        Most texts per run of the model; they are sorted by length, so that little is padding. None
        takes 32 if the model was found to return the same row in any company, else 1.
    threads : int, optional
        Threads that share one run, > 0.
    pooling : {"mean", "cls"}, optional
        How token vectors become one; None takes what the folder says, or the mean.
    encoder_id : str, optional
        Name of the vector space; None takes a digest of model and tokenizer with the settings, so
        that a copy of the folder has the same name and another model never has.

    Raises
    ------
    MissingExtraError
        If onnxruntime or tokenizers is not installed.
    ConfigurationError
        If the folder lacks something, or a setting or the model does not fit.
    EncodingError
        If the model cannot be loaded or run.

    Notes
    -----
    Models with dynamic int8 quantisation choose the scale of their activations over a whole batch:
    a row then differs by up to about 0.02 of cosine with the texts beside it, equal lengths
    or not. Such a model is recognised by running it, and gets its texts one by one; a `batch_size`
    given by hand trades that away for speed.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        model_file: str | None = None,
        max_length: int | None = None,
        batch_size: int | None = None,
        threads: int = 1,
        pooling: Pooling | None = None,
        encoder_id: str | None = None,
    ) -> None:
        _require_count("threads", threads)
        if batch_size is not None:
            _require_count("batch_size", batch_size)
        if pooling not in (None, "mean", "cls"):
            raise ConfigurationError(f"pooling must be 'mean' or 'cls', got {pooling!r}")
        found = read_model_folder(folder, model_file=model_file, max_length=max_length)
        self._max_length = found.max_length
        self._max_characters = found.max_length * _CHARACTERS_PER_TOKEN
        self._tokenizer = load_tokenizer(found.tokenizer, found.max_length)
        self._model = OnnxModel(found, threads=threads, tokens_wanted=pooling is not None)
        probes = _probe_tokens(self._tokenizer.get_vocab_size(), found.max_length)
        self._pooling = _pooling(self._model.run(probes[:1]).ndim, found, pooling)
        alone = np.concatenate([self._embed([tokens]) for tokens in probes])
        self._dimension: int = alone.shape[1]
        if batch_size is None:
            same = np.abs(self._embed(probes) - alone).max() <= _SAME_ROW
            batch_size = _USUAL_BATCH_SIZE if same else 1
        self._batch_size = batch_size
        self._encoder_id = (
            f"onnx-v{_VERSION}:{found.digest()}:d={self._dimension}"
            f":{self._pooling}:max={found.max_length}"
            if encoder_id is None
            else encoder_id
        )

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
        return self._dimension

    @property
    def encoder_id(self) -> str:
        """Name of the vector space."""
        return self._encoder_id

    @property
    def max_length(self) -> int:
        """Tokens that are read of a text, special ones included."""
        return self._max_length

    @property
    def batch_size(self) -> int:
        """Most texts per run of the model."""
        return self._batch_size

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts to unit vectors.

        Parameters
        ----------
        texts : sequence of str
            Texts, none of them blank; an empty sequence gives no rows.

        Returns
        -------
        NDArray[np.float32], shape (n, d)
            One row of length 1 per text, in their order.

        Raises
        ------
        InvalidInputError
            If `texts` is a single string, or one of them is blank or no string.
        EncodingError
            If the model fails, or a text has no token or no direction.
        """
        checked = check_texts(texts)
        if len(checked) == 1:
            return self._embed([self._tokens(checked[0])])
        tokens = [self._tokens(text) for text in checked]
        order = sorted(range(len(tokens)), key=lambda position: len(tokens[position]))
        rows = np.empty((len(tokens), self._dimension), dtype=np.float32)
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            rows[batch] = self._embed([tokens[position] for position in batch])
        return rows

    def __repr__(self) -> str:
        return f"OnnxEncoder({self._encoder_id!r})"

    def _tokens(self, text: str) -> list[int]:
        text = text[: self._max_characters]
        if not text.isascii():
            # Half a surrogate pair is no character, and no reason to lose a query.
            text = text.encode("utf-8", "replace").decode()
        try:
            ids: list[int] = self._tokenizer.encode(text).ids
        except Exception as error:  # re-raised: tokenizers raises the bare class
            raise EncodingError(f"the tokenizer failed at {text[:60]!r}: {error}") from error
        if not ids:
            raise EncodingError(f"the tokenizer found nothing to read in {text[:60]!r}")
        return ids

    def _embed(self, tokens: list[list[int]]) -> NDArray[np.float32]:
        """Return the unit rows of some texts, in one run of the model."""
        vectors = self._model.run(tokens).astype(np.float32, copy=False)
        if self._pooling == "cls":
            vectors = vectors[:, 0]
        elif self._pooling == "mean":
            # The sum points where the mean does. Row by row, so that padding cannot move a bit.
            each = zip(vectors, tokens, strict=True)
            vectors = np.stack([rows[: len(ids)].sum(axis=0) for rows, ids in each])
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, np.newaxis]
        # Written so that NaN fails it.
        if not ((lengths > 0.0) & (lengths < np.inf)).all():
            raise EncodingError(
                "the model returned a vector of zeros, NaN or infinity; its file may be damaged"
            )
        unit: NDArray[np.float32] = vectors / lengths
        return unit


def _pooling(
    n_axes: int, folder: ModelFolder, wanted: Pooling | None
) -> Literal["mean", "cls", "own"]:
    if n_axes == 2:
        return "own"
    if n_axes != 3:
        raise ConfigurationError(
            f"{folder.model} returns {n_axes} axes; expected vectors per token (3) or per text (2)"
        )
    if folder.has_dense_layer:
        raise ConfigurationError(
            f"the model of {folder.model} has a dense layer after its pooling, which this export "
            "lacks; export it with the output sentence_embedding"
        )
    if wanted is not None:
        return wanted
    match folder.pooling:
        case "mean" | None:
            return "mean"
        case "cls":
            return "cls"
        case other:
            raise ConfigurationError(
                f"the model of {folder.model} wants the pooling {other!r}; only mean and cls are "
                "built: export it with the output sentence_embedding, or decide by pooling="
            )


def _probe_tokens(vocabulary_size: int, max_length: int) -> list[list[int]]:
    """Return texts of several lengths as tokens that every vocabulary has."""
    # Models may know fewer tokens than their tokenizer, but hardly less than half of them.
    n_known = max(1, vocabulary_size // 2)
    return [
        [37 * (length + position) % n_known for position in range(min(length, max_length))]
        for length in _PROBE_LENGTHS
    ]


def _require_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ConfigurationError(f"{name} must be a whole number > 0, got {value!r}")
