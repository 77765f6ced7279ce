"""Settings of the runtime, from code, files and the environment."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import InitVar, dataclass, fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stratarouter.errors import ConfigurationError, nearest_name_hint
from stratarouter_runtime.config_sections import (
    BatchSettings,
    CacheSettings,
    DatabaseSettings,
    ExecutionSettings,
    ObservabilitySettings,
    OperationsSettings,
    SecuritySettings,
    ServerSettings,
    Spec,
    StateSettings,
    spec_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["RuntimeConfig"]

_WORDS = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip
_CREDENTIALS = re.compile(r"(?<=://)([^/@\s]*):([^/@\s]*)@")
_ENV_PREFIX = "SR_"
# Set by platforms and shells for any process, so every other name wins over them.
_WEAK_VARIABLES = frozenset({"HOST", "PORT", "WORKERS"})


@dataclass(frozen=True, kw_only=True, repr=False)
class RuntimeConfig(
    ServerSettings,
    OperationsSettings,
    SecuritySettings,
    ObservabilitySettings,
    DatabaseSettings,
    StateSettings,
    BatchSettings,
    CacheSettings,
    ExecutionSettings,
):
    """Settings of the runtime; immutable.

    Every published name is accepted. Making one reads neither files nor the environment, and never
    fails for a feature that is not built: the bridge says so when it starts.

    Raises
    ------
    ConfigurationError
        If a name is unknown, two names of one setting differ, or a value is out of range.

    Examples
    --------
    >>> RuntimeConfig(execution_timeout=60, batch_similarity=0.9).batch_dedup_threshold
    0.9
    >>> RuntimeConfig(jwt_secret="hush")
    RuntimeConfig(jwt_secret='***')
    """

    if TYPE_CHECKING:
        # Other published names, for type checkers; below is what really takes them.
        batch_similarity: InitVar[float] = 0.98
        batch_similarity_threshold: InitVar[float] = 0.98
        cache_ttl_seconds: InitVar[float] = 3600.0
        max_cache_size_mb: InitVar[float] = 1024.0
        db_url: InitVar[str | None] = None
    else:

        def __init__(self, **settings: Any) -> None:
            given = _by_field(settings)
            for name, spec in _specs().items():
                default = getattr(type(self), name)
                value = spec.checked(name, given[name]) if name in given else default
                object.__setattr__(self, name, value)
            if self.database_min_connections > self.database_max_connections:
                raise ConfigurationError(
                    "database_min_connections must not exceed database_max_connections, got "
                    f"{self.database_min_connections} and {self.database_max_connections}"
                )

        def __getattr__(self, name: str) -> Any:
            # Only called for what is no field: the other names can be read as well.
            target = _names().get(name)
            if target is None:
                hint = nearest_name_hint(name, _specs())
                raise AttributeError(f"RuntimeConfig has no setting {name!r}{hint}")
            return getattr(self, target)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.to_dict(changed=True).items())
        return f"RuntimeConfig({shown})"

    def to_dict(self, *, changed: bool = False) -> dict[str, Any]:
        """Return the settings for people to read; secrets and passwords are masked.

        Parameters
        ----------
        changed : bool
            Leave out what equals its default.

        Returns
        -------
        dict
            Name to value.
        """
        shown: dict[str, Any] = {}
        for name, spec in _specs().items():
            value = getattr(self, name)
            if changed and value == getattr(type(self), name):
                continue
            if spec.secret and value is not None:
                value = "***"
            elif isinstance(value, str):
                value = _CREDENTIALS.sub(r"\1:***@", value)
            shown[name] = value
        return shown

    def replace(self, **settings: Any) -> RuntimeConfig:
        """Return a copy with some settings changed.

        Parameters
        ----------
        **settings : Any
            Fields, or other published names of them.

        Returns
        -------
        RuntimeConfig
            The new settings.

        Raises
        ------
        ConfigurationError
            As the constructor.
        """
        current = {name: getattr(self, name) for name in _specs()}
        return RuntimeConfig(**{**current, **_by_field(settings)})

    @classmethod
    def from_file(cls, path: str | Path, **settings: Any) -> RuntimeConfig:
        """Read a TOML file.

        Tables carry the first part of a name: ``[cache] ttl_seconds`` is ``cache_ttl_seconds``.
        Flat names work as well.

        Parameters
        ----------
        path : str or Path
            The file.
        **settings : Any
            Settings that win over the file.

        Returns
        -------
        RuntimeConfig
            The settings.

        Raises
        ------
        ConfigurationError
            If the file is missing, no TOML, or holds an unknown name or a wrong value.
        """
        return cls(**{**_from_file(Path(path)), **_by_field(settings)})

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **settings: Any) -> RuntimeConfig:
        """Read environment variables.

        A setting is found under its name in capitals, with or without ``SR_`` (which wins), and
        under its other names. Empty variables count as not set.

        Parameters
        ----------
        environ : mapping, optional
            The variables; None takes those of the process.
        **settings : Any
            Settings that win over the environment.

        Returns
        -------
        RuntimeConfig
            The settings.

        Raises
        ------
        ConfigurationError
            If a value is wrong, two variables differ, or a name after ``SR_`` looks misspelt.
        """
        return cls(**{**_from_env(environ), **_by_field(settings)})

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        *,
        directory: str | Path = "config",
        environ: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> RuntimeConfig:
        """Put the settings together: defaults, then file, then environment, then `settings`.

        Parameters
        ----------
        source : str or Path, optional
            A file ending in ``.toml``; or a name such as "production": then ``default.toml`` and
            ``production.toml`` of `directory` are read. None reads ``default.toml`` if it exists.
        directory : str or Path
            Where named configurations live.
        environ : mapping, optional
            Environment variables; None takes those of the process.
        **settings : Any
            Settings that win over everything.

        Returns
        -------
        RuntimeConfig
            The settings.

        Raises
        ------
        ConfigurationError
            As `from_file` and `from_env`.
        """
        merged: dict[str, Any] = {}
        for path in _files(source, Path(directory)):
            merged.update(_from_file(path))
        return cls(**{**merged, **_from_env(environ), **_by_field(settings)})


@cache
def _specs() -> Mapping[str, Spec]:
    """Return the rules by field, in the order of the fields."""
    return MappingProxyType({entry.name: spec_of(entry) for entry in fields(RuntimeConfig)})


@cache
def _names() -> Mapping[str, str]:
    """Return the field of every accepted name."""
    names: dict[str, str] = {}
    for name, spec in _specs().items():
        for alias in (name, *spec.aliases):
            if names.setdefault(alias, name) != name:
                raise AssertionError(f"{alias!r} names two settings")
    return MappingProxyType(names)


def _by_field(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given under the names of the fields."""
    found: dict[str, Any] = {}
    spelling: dict[str, str] = {}
    for name, value in given.items():
        target = _names().get(name)
        if target is None:
            hint = nearest_name_hint(name, _names())
            raise ConfigurationError(f"unknown runtime setting {name!r}{hint}")
        if target in found and found[target] != value:
            raise ConfigurationError(
                f"{spelling[target]!r} and {name!r} are the same setting and differ; give one"
            )
        found[target], spelling[target] = value, name
    return found


def _files(source: str | Path | None, directory: Path) -> Iterable[Path]:
    if source is not None and Path(source).suffix:
        return [Path(source)]
    default = directory / "default.toml"
    found = [default] if default.is_file() else []
    return found if source is None else [*found, directory / f"{source}.toml"]


def _from_file(path: Path) -> dict[str, Any]:
    if path.suffix.lower() != ".toml":
        raise ConfigurationError(f"{path}: only TOML files are read; convert it to .toml")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is no TOML file: {error}") from error
    flat: dict[str, Any] = {}
    for name, value in tables.items():
        entries = _flattened(path, name, value) if isinstance(value, dict) else {name: value}
        for key, entry in entries.items():
            if key in flat and flat[key] != entry:
                raise ConfigurationError(f"{path}: {key!r} is given twice and differs")
            flat[key] = entry
    try:
        given = _by_field(flat)
        return {name: _specs()[name].checked(name, value) for name, value in given.items()}
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _flattened(path: Path, section: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a table under the names that the constructor knows."""
    return {_name_in(path, section, key): value for key, value in table.items()}


def _name_in(path: Path, section: str, key: str) -> str:
    joined = f"{section}_{key}"
    if joined in _names():
        return joined
    target = _names().get(key)
    if target is not None and section in _sections(target):
        return key
    if not any(section in _sections(name) for name in _specs()):
        hint = nearest_name_hint(section, {part for name in _specs() for part in _sections(name)})
        raise ConfigurationError(f"{path}: unknown table [{section}]{hint}")
    here = {name.removeprefix(f"{section}_") for name in _names() if section in _sections(name)}
    hint = nearest_name_hint(key, here)
    raise ConfigurationError(f"{path}: unknown setting {key!r} in [{section}]{hint}")


def _sections(name: str) -> tuple[str, ...]:
    """Return the tables that may hold a setting under its bare name."""
    target = _names()[name]
    spec = _specs()[target]
    prefixes = (alias.partition("_")[0] for alias in (target, *spec.aliases) if "_" in alias)
    return (*prefixes, *spec.sections)


def _from_env(environ: Mapping[str, str] | None) -> dict[str, Any]:
    # This is the one place that looks at the environment.
    variables = os.environ if environ is None else environ  # noqa: TID251
    layers: list[dict[str, Any]] = [{}, {}, {}]
    for variable, text in variables.items():
        prefixed = variable.startswith(_ENV_PREFIX)
        name = variable.removeprefix(_ENV_PREFIX).lower()
        target = _names().get(name) if variable.isupper() else None
        if target is None:
            if prefixed:
                _refuse_misspelt(variable, name)
            continue
        if not text.strip():
            continue
        layer = layers[2 if prefixed else 0 if variable in _WEAK_VARIABLES else 1]
        value = _parsed(variable, _specs()[target], text)
        if layer.setdefault(target, value) != value:
            raise ConfigurationError(f"{variable} differs from another variable for {target!r}")
    return {**layers[0], **layers[1], **layers[2]}


def _refuse_misspelt(variable: str, name: str) -> None:
    # Other programs may use the prefix too, so only what is nearly one of our names is refused.
    close = get_close_matches(name, _names(), n=1, cutoff=0.85)
    if close:
        raise ConfigurationError(
            f"unknown variable {variable}; did you mean {_ENV_PREFIX}{close[0].upper()}?"
        )


def _parsed(variable: str, spec: Spec, text: str) -> Any:
    value: object = text.strip()
    try:
        if spec.kind is bool:
            value = _WORDS[text.strip().lower()]
        elif spec.kind is not str:
            value = spec.kind(text)
    except (KeyError, ValueError):
        # Falls through with the text, which the check refuses with a full sentence.
        value = text
    return spec.checked(variable, value)
