"""What a folder in the Hugging Face export layout says about its model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratarouter.errors import ConfigurationError

__all__ = ["ModelFolder", "read_model_folder"]

# Queries are short. A longer text costs time with the square of its length, so that a model for
# whole documents reads this much by itself, and more where `max_length` says so.
_USUAL_LENGTH = 256
_LARGEST_LENGTH_UNASKED = 512

# These count positions from the number after that of their padding token.
_POSITIONS_AFTER_PADDING = {"camembert", "longformer", "mpnet", "roberta", "xlm-roberta"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """Files and settings of one exported model."""

    model: Path
    """The ONNX file."""
    tokenizer: Path
    """``tokenizer.json``."""
    max_length: int
    """Tokens that are read of a text, special ones included."""
    pooling: str | None
    """How the model was trained to pool its token vectors; None if the folder does not say."""
    pad_id: int | None
    """Number of the padding token; None if the folder does not say."""
    has_dense_layer: bool
    """Whether the model has a layer after the pooling."""

    def digest(self) -> str:
        """Return a digest of all that decides the vectors: the model, its weights, the tokenizer.

        Returns
        -------
        str
            16 hexadecimal digits.
        """
        # Weights beyond 2 GB lie beside the model, in files whose names begin with its own.
        beginnings = (f"{self.model.name}.", f"{self.model.name}_")
        beside = sorted(self.model.parent.iterdir())
        weights = [path for path in beside if path.name.startswith(beginnings) and path.is_file()]
        total = hashlib.sha256()
        for path in (self.model, *weights, self.tokenizer):
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        return total.hexdigest()[:16]


def read_model_folder(
    folder: str | Path, *, model_file: str | None = None, max_length: int | None = None
) -> ModelFolder:
    """Find the model and the tokenizer in a folder, and read how they are meant to be used.

    Parameters
    ----------
    folder : str or Path
        A folder as Hugging Face exports have it.
    model_file : str, optional
        Path of the model in the folder; None looks for ``model.onnx`` and ``onnx/model.onnx``,
        and takes another file if it is the only one.
    max_length : int, optional
        Tokens to read of a text; None takes what the folder says.

    Returns
    -------
    ModelFolder
        The files, which exist, and the settings.

    Raises
    ------
    ConfigurationError
        If the folder lacks something, or cannot be understood.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise ConfigurationError(
            f"{place} is no folder; name the one that holds model.onnx and tokenizer.json"
        )
    model = _find_model(place, model_file)
    config = _read_json(place / "config.json")
    pad_id = config.get("pad_token_id")
    return ModelFolder(
        model=model,
        tokenizer=_find_tokenizer(place, model),
        max_length=_length(place, config, max_length),
        pooling=_pooling(place / "1_Pooling" / "config.json"),
        pad_id=pad_id if isinstance(pad_id, int) else None,
        has_dense_layer=_has_dense_layer(place / "modules.json"),
    )


def _find_model(folder: Path, model_file: str | None) -> Path:
    if model_file is not None:
        if not (folder / model_file).is_file():
            raise ConfigurationError(f"there is no file {model_file!r} in {folder}")
        return folder / model_file
    for name in ("model.onnx", "onnx/model.onnx"):
        if (folder / name).is_file():
            return folder / name
    found = sorted([*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")])
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(repr(path.relative_to(folder).as_posix()) for path in found)
        raise ConfigurationError(f"{folder} has several models; choose by model_file=: {names}")
    raise ConfigurationError(
        f"{folder} has no ONNX model; export one into it as model.onnx or onnx/model.onnx"
    )


def _find_tokenizer(folder: Path, model: Path) -> Path:
    for path in (folder / "tokenizer.json", model.parent / "tokenizer.json"):
        if path.is_file():
            return path
    raise ConfigurationError(
        f"{folder} has no tokenizer.json; save the fast tokenizer of the model into it"
    )


def _length(folder: Path, config: dict[str, Any], wanted: object) -> int:
    limit = _position_limit(config)
    if wanted is not None:
        if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted <= 0:
            raise ConfigurationError(f"max_length must be a whole number > 0, got {wanted!r}")
        if limit is not None and wanted > limit:
            raise ConfigurationError(
                f"max_length is {wanted}, but the model has only {limit} positions"
            )
        return wanted
    declared = _read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    # Tokenizers without a limit of their own write a huge number here, which min() sets aside.
    of_tokenizer = _read_json(folder / "tokenizer_config.json").get("model_max_length")
    known = [
        value
        for value in (_USUAL_LENGTH if declared is None else declared, of_tokenizer, limit)
        if isinstance(value, int | float) and value >= 1
    ]
    return int(min([_LARGEST_LENGTH_UNASKED, *known]))


def _position_limit(config: dict[str, Any]) -> int | None:
    limit = config.get("max_position_embeddings")
    if not isinstance(limit, int):
        return None
    if config.get("model_type") in _POSITIONS_AFTER_PADDING:
        padding = config.get("pad_token_id", 1)
        limit -= padding + 1 if isinstance(padding, int) else 0
    return limit if limit > 0 else None


def _pooling(path: Path) -> str | None:
    settings = _read_json(path)
    named = settings.get("pooling_mode")
    if isinstance(named, str):
        return named
    modes = (
        name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for name, value in settings.items()
        if name.startswith("pooling_mode_") and value is True
    )
    return " + ".join(sorted(modes)) or None


def _has_dense_layer(path: Path) -> bool:
    if not path.is_file():
        return False
    modules = _parsed(path)
    entries = modules if isinstance(modules, list) else []
    return any(isinstance(e, dict) and str(e.get("type")).endswith("Dense") for e in entries)


def _read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file, empty if there is no such file."""
    if not path.is_file():
        return {}
    value = _parsed(path)
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path} must hold a JSON object, not {type(value).__name__}")
    return value


def _parsed(path: Path) -> object:
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read as JSON: {error}") from error
    return value
