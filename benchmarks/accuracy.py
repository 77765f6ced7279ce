"""Accuracy, calibration and out-of-scope figures of the default build, no labelled queries.

    python benchmarks/accuracy.py --data FOLDER [--model FOLDER] [--development] [--seeds 5]

Every row is a default `Router` on given embeddings, forced choice. With ``--model``, the folder of
the encoder that made the embeddings, the router has that encoder and gets the vectors of the
routes' names from it; the examples keep the given vectors. The nearest example by cosine is printed
beside it, as the limit of what routers without a model of their own reach.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from datasets import Dataset, Sample, load_datasets

from stratarouter import Router
from stratarouter.algorithms.metrics import (
    auroc,
    calibrated_ece_quantiles,
    expected_calibration_error,
    rejection_recall,
)
from stratarouter.encoders import OnnxEncoder

if TYPE_CHECKING:
    from stratarouter.encoders.base import BaseEncoder

_PER_ROUTE = (5, 10, None)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--model", type=Path, help="folder of the encoder of the embeddings")
    parser.add_argument("--seeds", type=int, default=5, help="draws per few-shot row")
    parser.add_argument(
        "--development", action="store_true", help="judge by validation rows, not by test rows"
    )
    arguments = parser.parse_args()
    encoder = None if arguments.model is None else OnnxEncoder(arguments.model)
    print(
        f"{'data set':12} {'examples':>8} {'router':>7} {'nearest':>7} {'ECE':>6} {'ideal':>6} "
        f"{'AUROC':>6} {'OOS@95':>6}"
    )
    for dataset in load_datasets(arguments.data):
        for per_route in _PER_ROUTE:
            seeds = range(arguments.seeds if per_route else 1)
            rows = [
                _measure(dataset, per_route, seed, encoder, development=arguments.development)
                for seed in seeds
            ]
            mean = np.mean(np.array(rows), axis=0)
            shown = " ".join(f"{value:6.2f}" for value in mean)
            print(f"{dataset.name:12} {per_route or 'all':>8} {shown}", flush=True)


def _measure(
    dataset: Dataset,
    per_route: int | None,
    seed: int,
    encoder: BaseEncoder | None,
    *,
    development: bool,
) -> tuple[float, ...]:
    sample = dataset.sample(per_route, seed, development=development)
    router = Router(dimension=dataset.vectors.shape[1], encoder=encoder)
    router.add_routes(sample.routes)
    router.build_index(sample.vectors)
    results = router.route_batch(sample.queries, sample.query_vectors)
    best = [
        result.route_id if result.matched else result.alternatives[0].route_id for result in results
    ]
    confidence = np.array([result.confidence for result in results])
    right = np.array([pick == label for pick, label in zip(best, sample.labels, strict=True)])
    inside = np.array([label is not None for label in sample.labels])
    ideal, _ = calibrated_ece_quantiles(confidence[inside], rng=np.random.default_rng(seed))
    outside = confidence[~inside]
    foreign = len(outside) > 0
    return (
        100.0 * float(right[inside].mean()),
        100.0 * _nearest_example_accuracy(sample),
        100.0 * expected_calibration_error(confidence[inside], right[inside]),
        100.0 * ideal,
        100.0 * auroc(confidence[inside], outside) if foreign else float("nan"),
        100.0 * rejection_recall(confidence[inside], outside) if foreign else float("nan"),
    )


def _nearest_example_accuracy(sample: Sample) -> float:
    owners = [route.id for route in sample.routes for _ in route.examples]
    nearest = (sample.query_vectors @ sample.vectors.T).argmax(axis=1)
    pairs = [
        owners[row] == label
        for row, label in zip(nearest.tolist(), sample.labels, strict=True)
        if label is not None
    ]
    return float(np.mean(pairs))


if __name__ == "__main__":
    main()
