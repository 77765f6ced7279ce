"""The edge to onnxruntime and tokenizers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter.errors import ConfigurationError, EncodingError, MissingExtraError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stratarouter.encoders.onnx_folder import ModelFolder

__all__ = ["OnnxModel", "load_tokenizer"]

_TOKEN_OUTPUTS = ("last_hidden_state", "token_embeddings")
_SENTENCE_OUTPUTS = ("sentence_embedding", "sentence_embeddings")
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_TYPES: dict[str, type[np.integer[Any]]] = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}

_ERRORS_ONLY = 3


class OnnxModel:
    """A loaded model that takes tokens; immutable, for any number of threads.

    Parameters
    ----------
    folder : ModelFolder
        Where the model is.
    threads : int
        Threads that share one run, > 0.
    tokens_wanted : bool
        Whether vectors per token are preferred, if the model returns both kinds.

    Raises
    ------
    MissingExtraError
        If onnxruntime is not installed.
    ConfigurationError
        If the model is none for texts.
    EncodingError
        If it cannot be loaded.
    """

    __slots__ = ("_inputs", "_output", "_pad_id", "_session")

    def __init__(self, folder: ModelFolder, *, threads: int, tokens_wanted: bool) -> None:
        self._session = _load_session(folder.model, threads)
        self._inputs = _input_types(self._session, folder.model)
        outputs = [entry.name for entry in self._session.get_outputs()]
        self._output = _output_name(outputs, folder.model, tokens_wanted=tokens_wanted)
        self._pad_id = 0 if folder.pad_id is None else folder.pad_id

    def run(self, tokens: list[list[int]]) -> NDArray[np.floating[Any]]:
        """Run the model once.

        Parameters
        ----------
        tokens : list of list of int
            Tokens of each text, at least one.

        Returns
        -------
        NDArray[np.floating], shape (n, t, d) or (n, d)
            What the model returns, t being the length of the longest text.

        Raises
        ------
        EncodingError
            If the model fails.
        """
        ids, mask = self._padded(tokens)
        feeds = {}
        for name, kind in self._inputs.items():
            if name == "input_ids":
                feeds[name] = ids.astype(kind, copy=False)
            elif name == "token_type_ids":
                feeds[name] = np.zeros_like(ids, kind)
            else:
                feeds[name] = np.ones_like(ids, kind) if mask is None else mask.astype(kind)
        try:
            output: NDArray[np.floating[Any]] = self._session.run([self._output], feeds)[0]
        except Exception as error:  # re-raised: onnxruntime has error classes of its own
            raise EncodingError(
                f"the model failed, maybe because the tokenizer is of another one: {error}"
            ) from error
        return output

    def _padded(
        self, tokens: list[list[int]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        lengths = [len(ids) for ids in tokens]
        width = max(lengths)
        if min(lengths) == width:
            return np.array(tokens, dtype=np.int64), None
        padded = np.full((len(tokens), width), self._pad_id, dtype=np.int64)
        for row, ids in zip(padded, tokens, strict=True):
            row[: len(ids)] = ids
        mask = np.arange(width) < np.array(lengths)[:, np.newaxis]
        return padded, mask.astype(np.int64)


def load_tokenizer(path: Path, max_length: int) -> Any:
    """Return a tokenizer that cuts off what is too long and pads nothing.

    Parameters
    ----------
    path : Path
        A ``tokenizer.json``.
    max_length : int
        Most tokens of a text, special ones included.

    Returns
    -------
    tokenizers.Tokenizer
        Not changed any more, so that several threads may use it.

    Raises
    ------
    MissingExtraError
        If tokenizers is not installed.
    ConfigurationError
        If the special tokens leave no room for a text.
    EncodingError
        If the file cannot be loaded.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtraError("tokenizers", extra="onnx") from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # re-raised: tokenizers raises the bare class
        raise EncodingError(f"{path} cannot be loaded: {error}") from error
    n_special = tokenizer.num_special_tokens_to_add(is_pair=False)
    if max_length <= n_special:
        raise ConfigurationError(
            f"max_length is {max_length}, but {n_special} special tokens surround each text"
        )
    # Exports often pad every text to the full length, which makes short ones ten times slower.
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer


def _load_session(path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", extra="onnx") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # re-raised: onnxruntime has error classes of its own
        raise EncodingError(f"{path} cannot be loaded: {error}") from error


def _input_types(session: Any, path: Path) -> dict[str, type[np.integer[Any]]]:
    entries = {entry.name: entry for entry in session.get_inputs()}
    if "input_ids" not in entries or not entries.keys() <= _INPUTS:
        raise ConfigurationError(
            f"{path} takes {sorted(entries)}; a model for texts takes input_ids, and maybe "
            "attention_mask and token_type_ids"
        )
    for name, entry in entries.items():
        if entry.type not in _TYPES:
            raise ConfigurationError(f"{path} takes {name} as {entry.type}; expected whole numbers")
        if any(isinstance(size, int) for size in entry.shape):
            raise ConfigurationError(
                f"{path} takes {name} only in the shape {entry.shape}; "
                "export it with dynamic axes for the batch and the sequence"
            )
    return {name: _TYPES[entry.type] for name, entry in entries.items()}


def _output_name(names: list[str], path: Path, *, tokens_wanted: bool) -> str:
    preferred = (*_SENTENCE_OUTPUTS, *_TOKEN_OUTPUTS)
    if tokens_wanted:
        preferred = (*_TOKEN_OUTPUTS, *_SENTENCE_OUTPUTS)
    for name in preferred:
        if name in names:
            return name
    if len(names) == 1:
        return names[0]
    raise ConfigurationError(
        f"{path} returns {names}; export it with the output last_hidden_state or sentence_embedding"
    )
