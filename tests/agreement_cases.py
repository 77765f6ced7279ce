"""Routers and queries that are hard to route twice in the same way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratarouter import Route, Router
from stratarouter.algorithms.fusion import FusionWeights
from stratarouter.algorithms.heads import SKETCH_WIDTH, LinearHead, sketch_words
from stratarouter.algorithms.tokenize import words
from stratarouter.building import entries_of, training_rows
from stratarouter.calibration import ConfidenceMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratarouter.snapshot import Snapshot

HEADS = ("none", "embedding", "embedding and words")
STYLES = ("random", "clustered", "few directions", "twins")
LEXICON = (
    *("refund", "parcel", "late", "invoice", "42", "naïve", "Straße", "İstanbul", "заказ", "退款"),
    *("ขอเงินคืน", "रद्द", "العربية", "e\u0301te\u0301", "🙂👍🏽", "ﬁne", "don't", "x" * 40),
)
WORDLESS = ("?!", "…", "🙂", "— —", "\u200b.")
PATTERNS = ("parcel", r"re:\b\d+\b", "退款", "re:(?i)straße", "🙂", "unrelated")


@dataclass(frozen=True, slots=True)
class Case:
    """A router, what it was made of, and queries."""

    router: Router
    snapshot: Snapshot
    prototypes: NDArray[np.float64]
    """Mean directions, shape (r, d), computed here and in double precision."""
    texts: list[str]
    embeddings: NDArray[np.float32]

    def is_firm(self, place: int, n_named: int) -> bool:
        """Say whether rounding cannot change which routes are the candidates of a query."""
        values = self._candidacy(place)
        usual = self.snapshot.config.max_candidates
        # Where more are named than there are candidates, more candidates are scored.
        breadths = {usual, max(usual, n_named)}
        gaps = [values[n - 1] - values[n] for n in breadths if n < len(values)]
        scale = max(1.0, float(np.abs(values).max()))
        return all(gap > 1e-5 * scale for gap in gaps)

    def _candidacy(self, place: int) -> NDArray[np.float64]:
        """Return what candidates are chosen by, largest first."""
        head = self.snapshot.scorer.head
        inputs = self.embeddings[place].astype(float)
        if head is None:
            return np.sort(self.prototypes @ inputs)[::-1]
        if head.sketch is not None:
            inputs = np.append(inputs, head.sketch.project(words(self.texts[place])))
        return np.sort(head.weights.astype(float) @ inputs + head.bias)[::-1]


def make_case(
    seed: int,
    n_routes: int,
    *,
    head: str = "none",
    style: str = "random",
    uneven: bool = True,
    wordless: bool = False,
    n_queries: int = 24,
    **options: Any,
) -> Case:
    """Make a router with a head of random numbers, which routes as one that was learned."""
    rng = np.random.default_rng(seed)
    dimension = int(rng.choice([4, 24, 96]))
    sizes = rng.choice([1, 2, 3, 7, 40], n_routes, p=[0.4, 0.3, 0.2, 0.09, 0.01])
    if not uneven:
        sizes = np.full(n_routes, int(rng.integers(1, 6)))
    matrices = _matrices(rng, sizes.tolist(), dimension, style)
    lexicon = WORDLESS if wordless else (*LEXICON, *WORDLESS)
    routes = [
        _route(rng, number, len(matrix), lexicon, wordless)
        for number, matrix in enumerate(matrices)
    ]
    router = Router(dimension=dimension, seed=seed, enable_calibration=False, **options)
    router.add_routes(routes)
    router.build_index({route.id: rows for route, rows in zip(routes, matrices, strict=True)})
    router._registry.adopt(_learned(rng, router, head))
    texts, embeddings = _queries(rng, n_queries, np.vstack(matrices), lexicon)
    snapshot = router._registry.snapshot
    assert snapshot is not None
    return Case(router, snapshot, _prototypes(snapshot), texts, embeddings)


def _unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit.astype(np.float32)


def _matrices(
    rng: np.random.Generator, sizes: list[int], dimension: int, style: str
) -> list[NDArray[np.float32]]:
    if style == "few directions":
        # Equal and opposite rows: equal routes, and means of no length.
        pool = np.vstack([np.eye(dimension), -np.eye(dimension)])[: max(4, dimension)]
        return [pool[rng.integers(len(pool), size=size)].astype(np.float32) for size in sizes]
    centres = rng.normal(size=(len(sizes), dimension))
    spread = 0.3 if style == "clustered" else 3.0
    matrices = [
        _unit(centre + spread * rng.normal(size=(size, dimension)))
        for centre, size in zip(centres, sizes, strict=True)
    ]
    if style == "twins":
        matrices[1::2] = matrices[: 2 * (len(matrices) // 2) : 2]
    return matrices


def _route(
    rng: np.random.Generator, number: int, n: int, lexicon: tuple[str, ...], wordless: bool
) -> Route:
    keywords = [] if wordless or rng.random() < 0.5 else [str(rng.choice(LEXICON))]
    return Route(
        f"r{number}",
        examples=[" ".join(rng.choice(lexicon, int(rng.integers(1, 5)))) for _ in range(n)],
        keywords=keywords,
        patterns=[str(rng.choice(PATTERNS))] if rng.random() < 0.2 else [],
        pattern_mode="override" if rng.random() < 0.1 else "score",
        threshold=[None, 0.0, 0.3, 1.0][int(rng.integers(4))],
    )


def _learned(rng: np.random.Generator, router: Router, head: str) -> Snapshot:
    snapshot = router._registry.snapshot
    assert snapshot is not None
    scorer = snapshot.scorer
    shares = rng.dirichlet(np.ones(4))
    if head == "none":
        shares[0] = 0.0
        shares /= shares.sum()
    weights = FusionWeights(
        head=float(shares[0]),
        nearest=float(shares[1]),
        prototype=float(shares[2]),
        keyword=float(1.0 - shares[:3].sum()),
        pattern=float(rng.random()),
        sharpness=float(rng.uniform(5.0, 30.0)),
        residual=float(rng.normal()),
    )
    knots = tuple(np.cumsum(rng.uniform(1.0, 2.0, 5)) - 5.0)
    confidence = ConfidenceMap(
        source="examples",
        similarity_mean=0.4,
        similarity_spread=0.2,
        knots=knots,
        levels=tuple(np.sort(rng.normal(size=5))),
    )
    return replace(
        snapshot,
        scorer=scorer.revised(weights, _head(rng, snapshot, head)),
        confidence=confidence,
    )


def _head(rng: np.random.Generator, snapshot: Snapshot, kind: str) -> LinearHead | None:
    if kind == "none":
        return None
    sketch = None
    if kind == "embedding and words":
        rows = training_rows(snapshot.scorer, entries_of(snapshot))
        sketch = sketch_words(rows.words, snapshot.config.seed)
    width = snapshot.dimension + (0 if sketch is None else SKETCH_WIDTH)
    shape = (len(snapshot.routes), width)
    return LinearHead(
        weights=rng.normal(size=shape).astype(np.float32),
        bias=rng.normal(size=len(snapshot.routes)).astype(np.float32),
        low=-4.0,
        high=4.0,
        sketch=sketch,
    )


def _queries(
    rng: np.random.Generator, n: int, rows: NDArray[np.float32], lexicon: tuple[str, ...]
) -> tuple[list[str], NDArray[np.float32]]:
    """Return examples, their opposites, strangers, mixtures and axes, some of them twice."""
    dimension = rows.shape[1]
    known = rows[rng.integers(len(rows), size=n)].astype(float)
    other = rows[rng.integers(len(rows), size=n)].astype(float)
    noise = rng.normal(size=(n, dimension))
    forms = np.stack([known, -known, noise, known + 0.9 * other, known + 0.1 * noise])
    vectors = forms[rng.integers(len(forms), size=n), np.arange(n)]
    axes = np.eye(dimension)[rng.integers(dimension, size=n)]
    lost = (rng.random(n) < 0.1) | (np.linalg.norm(vectors, axis=1) < 1e-3)
    vectors[lost] = axes[lost]
    texts = [" ".join(rng.choice(lexicon, int(rng.integers(1, 9)))) for _ in range(n)]
    again = rng.integers(n, size=n // 4)
    texts += [texts[place] for place in again]
    return texts, np.vstack([_unit(vectors), _unit(vectors)[again]])


def _prototypes(snapshot: Snapshot) -> NDArray[np.float64]:
    means = []
    for number in range(len(snapshot.routes)):
        rows = snapshot.vectors_of(number).astype(float)
        total = rows.sum(axis=0)
        length = float(np.linalg.norm(total))
        means.append(rows[0] if length < 1e-6 else total / length)
    return np.array(means)
