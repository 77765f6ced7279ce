"""How often the guarantee of a certificate is broken, over random splits of labelled queries.

    python benchmarks/certificates.py --data FOLDER [--development] [--splits 100]

A default `Router` is built on all examples of the training rows. Its labelled queries are split at
random: one half certifies, the other checks. A split is broken if the share of wrong ones among the
accepted of the check half is above alpha, and significantly so if even its lower 95 % bound is. The
check half has sampling noise of its own, so a threshold whose true risk is below alpha is counted
as broken now and then.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from datasets import Dataset, load_datasets

from stratarouter import Router
from stratarouter.algorithms.conformal import clopper_pearson_upper
from stratarouter.certifying import certify

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratarouter.types import IntArray


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What a router says of labelled queries."""

    confidences: NDArray[np.float64]
    """Confidence of the best candidate."""
    correct: NDArray[np.bool_]
    """Whether it is the label."""
    routes: NDArray[np.str_]
    """The best candidate."""
    inside: NDArray[np.bool_]
    """Whether the query belongs to any route."""

    def at(self, rows: NDArray[np.bool_] | IntArray) -> Outcomes:
        """Return some of them.

        Parameters
        ----------
        rows : array
            Mask or positions.

        Returns
        -------
        Outcomes
            The selected ones.
        """
        return Outcomes(
            self.confidences[rows], self.correct[rows], self.routes[rows], self.inside[rows]
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--splits", type=int, default=100, help="random splits per row")
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.02, 0.05, 0.1])
    parser.add_argument("--delta", type=float, default=0.05)
    parser.add_argument(
        "--development", action="store_true", help="use validation rows, not test rows"
    )
    arguments = parser.parse_args()
    print(
        f"{'data set':12} {'queries':10} {'rows':>5} {'right %':>7} {'alpha':>6} {'broken':>6} "
        f"{'signif.':>7} {'refused':>7} {'coverage %':>10} {'least %':>7} {'wrong %':>7}"
    )
    for dataset in load_datasets(arguments.data):
        outcomes = _outcomes(dataset, development=arguments.development)
        samples = {"in scope": outcomes.at(outcomes.inside)}
        if not outcomes.inside.all():
            samples["all"] = outcomes
        for name, sample in samples.items():
            for alpha in arguments.alphas:
                figures = _over_splits(sample, alpha, arguments.delta, arguments.splits)
                print(
                    f"{dataset.name:12} {name:10} {len(sample.correct):5} "
                    f"{100.0 * sample.correct.mean():7.2f} {alpha:6.3f} {figures}",
                    flush=True,
                )


def _outcomes(dataset: Dataset, *, development: bool) -> Outcomes:
    sample = dataset.sample(None, 0, development=development)
    router = Router(dimension=dataset.vectors.shape[1])
    router.add_routes(sample.routes)
    router.build_index(sample.vectors)
    results = router.route_batch(sample.queries, sample.query_vectors)
    best = [
        result.route_id if result.matched else result.alternatives[0].route_id for result in results
    ]
    return Outcomes(
        confidences=np.array([result.confidence for result in results]),
        correct=np.array([pick == label for pick, label in zip(best, sample.labels, strict=True)]),
        routes=np.array(best),
        inside=np.array([label is not None for label in sample.labels]),
    )


def _over_splits(sample: Outcomes, alpha: float, delta: float, n_splits: int) -> str:
    n = len(sample.correct)
    n_broken = n_significant = n_refused = 0
    coverages: list[float] = []
    risks: list[float] = []
    for seed in range(n_splits):
        shuffled = np.random.default_rng(seed).permutation(n)
        labelled, check = sample.at(shuffled[: n // 2]), sample.at(shuffled[n // 2 :])
        certificate = certify(
            labelled.confidences,
            labelled.correct,
            labelled.routes.tolist(),
            alpha=alpha,
            delta=delta,
        )
        cuts = np.array([certificate.threshold_of(route_id) for route_id in check.routes.tolist()])
        accepted = check.confidences >= cuts
        n_accepted = int(accepted.sum())
        n_right = int(check.correct[accepted].sum())
        coverages.append(n_accepted / len(accepted))
        n_refused += not certificate.holds
        if n_accepted:
            risks.append(1.0 - n_right / n_accepted)
            n_broken += risks[-1] > alpha
            n_significant += 1.0 - clopper_pearson_upper(n_right, n_accepted, 0.05) > alpha
    risk = 100.0 * float(np.mean(risks)) if risks else float("nan")
    return (
        f"{n_broken:6} {n_significant:7} {n_refused:7} {100.0 * float(np.mean(coverages)):10.1f} "
        f"{100.0 * min(coverages):7.1f} {risk:7.2f}"
    )


if __name__ == "__main__":
    main()
