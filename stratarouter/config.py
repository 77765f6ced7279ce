"""Settings of a router."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from stratarouter.errors import ConfigurationError, nearest_name_hint

__all__ = ["HeadChoice", "IndexType", "RouterConfig"]

HeadChoice: TypeAlias = Literal["auto", "similarity"]
"""Which heads may be learned; see `RouterConfig.head`."""

IndexType: TypeAlias = Literal["auto", "flat", "hnsw"]
"""How candidates are searched; see `RouterConfig.index_type`."""

_ALIASES = {"default_threshold": "threshold", "sparse_weight": "bm25_weight"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterConfig:
    """Settings of a router; immutable.

    Every published field is accepted. `from_options` also takes the published aliases
    ``default_threshold`` and ``sparse_weight``.

    Raises
    ------
    ConfigurationError
        If a value is out of range.

    Examples
    --------
    >>> RouterConfig(threshold=0.0).threshold
    0.0
    """

    dimension: int = 384
    """Width of the embeddings; an encoder's own width wins."""
    threshold: float = 0.5
    """Least confidence, in [0, 1], for a match: 0.0 accepts everything, 1.0 nothing."""
    top_k: int = 5
    """How many ranked routes an explanation shows."""
    max_candidates: int = 10
    """How many routes are scored in full; fewer are faster, more are never less exact."""
    enable_calibration: bool = True
    """Fit the confidence at build time; False keeps the documented prior."""
    enable_simd: bool = True
    """Accepted for compatibility: numpy always uses the processor's vector units."""
    fallback_route: str | None = None
    """Registered route to name when nothing is sure enough; None names no route."""
    index_type: IndexType = "auto"
    """Candidate search where no head is learned: exact ("flat"), or in a graph that misses few
    ("hnsw", extra ``faiss``). "auto" builds the graph for thousands of routes, if it misses fewer
    than 1 %. After a change of routes the search is exact until the next build."""
    m: int = 16
    """Neighbours per node of an HNSW index, >= 2."""
    ef_construction: int = 200
    """Breadth of the search while building an HNSW index."""
    ef_search: int = 50
    """Breadth of the search in an HNSW index."""
    dense_weight: float = 0.6427
    """Weight of the semantic score, >= 0."""
    bm25_weight: float = 0.2891
    """Weight of the keyword score, >= 0."""
    rule_weight: float = 0.0682
    """Share of the distance to 1 that a matching pattern adds to the total, in [0, 1]."""
    head: HeadChoice = "auto"
    """What may be learned: "auto" chooses by cross-validation, "similarity" learns no head."""
    head_budget_s: float = 12.0
    """Time that learning one head may take, estimated without a clock, seconds on one core."""
    seed: int = 0
    """Seed of everything that samples; equal inputs and seeds give equal routers."""

    def __post_init__(self) -> None:
        for name in ("dimension", "top_k", "max_candidates", "ef_construction", "ef_search"):
            _require_whole_number(name, getattr(self, name), least=1)
        # With a single neighbour per node there would be no graph to walk.
        _require_whole_number("m", self.m, least=2)
        _require_whole_number("seed", self.seed, least=0)
        for name in ("threshold", "rule_weight"):
            _require_range(name, getattr(self, name), 1.0)
        for name in ("dense_weight", "bm25_weight", "head_budget_s"):
            _require_range(name, getattr(self, name), float("inf"))
        if self.dense_weight + self.bm25_weight <= 0.0:
            raise ConfigurationError("dense_weight and bm25_weight cannot both be 0")
        for name in ("enable_calibration", "enable_simd"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigurationError(
                    f"{name} must be True or False, got {getattr(self, name)!r}"
                )
        _require_route_id(self.fallback_route)
        if self.head not in ("auto", "similarity"):
            raise ConfigurationError(f"head must be 'auto' or 'similarity', got {self.head!r}")
        if self.index_type not in ("auto", "flat", "hnsw"):
            raise ConfigurationError(
                f"index_type must be 'auto', 'flat' or 'hnsw', got {self.index_type!r}"
            )

    @property
    def learns_fusion(self) -> bool:
        """Whether the weights of the scores are learned; those chosen by hand are kept."""
        return (self.dense_weight, self.bm25_weight) == (0.6427, 0.2891)

    @classmethod
    def from_options(cls, base: RouterConfig | None = None, **options: Any) -> RouterConfig:
        """Return `base` with the given fields replaced.

        Parameters
        ----------
        base : RouterConfig, optional
            Where the other fields come from; None takes the defaults.
        **options : Any
            Fields or aliases by name.

        Returns
        -------
        RouterConfig
            The new settings.

        Raises
        ------
        ConfigurationError
            If a name is unknown, or a field and its alias differ.
        """
        known = {entry.name for entry in fields(cls)}
        values = {name: getattr(base, name) for name in known} if base is not None else {}
        given: dict[str, Any] = {}
        for name, value in options.items():
            target = _ALIASES.get(name, name)
            if target not in known:
                hint = nearest_name_hint(name, known | set(_ALIASES))
                raise ConfigurationError(f"unknown router setting {name!r}{hint}")
            if target in given and given[target] != value:
                raise ConfigurationError(f"{name!r} and {target!r} are the same setting and differ")
            given[target] = value
        return cls(**{**values, **given})


def _require_whole_number(name: str, value: object, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} must be a whole number >= {least}, got {value!r}")


def _require_route_id(value: object) -> None:
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise ConfigurationError(f"fallback_route must be a route id or None, got {value!r}")


def _require_range(name: str, value: object, upper: float) -> None:
    # The comparison is written so that NaN fails it.
    valid = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not valid or not 0.0 <= value <= upper or value == float("inf"):  # type: ignore[operator]
        bound = f"in [0, {upper:g}]" if upper != float("inf") else "finite and >= 0"
        raise ConfigurationError(f"{name} must be {bound}, got {value!r}")
