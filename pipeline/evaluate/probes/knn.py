"""The weighted k-NN probe, for every k at once."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.feature_rows import StackedRows
from pipeline.evaluate.knn import classify
from pipeline.evaluate.neighbour_tiles import on_card
from pipeline.evaluate.probe_data import ProbeData
from pipeline.evaluate.probes.settings import KnnConfig
from pipeline.measures.classification_rows import Metric, Outcome

DEFAULT_K = 20  # without a validation split; usually the best (DINO, iBOT)
Votes = TypeVar("Votes")


def vote_together(
    vote: Callable[..., Votes], config: KnnConfig, data: ProbeData, runtime: RuntimeConfig
) -> tuple[Votes, list[slice]]:
    """Votes for test and validation images from one search: the bank is read once, and uploaded once.

    Args:
        vote: `classify`, or a function of the same arguments.

    Returns:
        What `vote` returns, and which queries are test images, and validation images if there are any.
    """
    queries = StackedRows(tuple(split.last_cls for split in (data.test, data.val) if split is not None))
    votes = vote(
        queries,
        data.train.last_cls,
        data.train.labels,
        ks=config.ks,
        temperature=config.temperature,
        num_threads=runtime.num_threads,
        on_card=on_card.is_ready(),
    )
    return votes, queries.parts


def probe_knn(config: KnnConfig, data: ProbeData, runtime: RuntimeConfig) -> Outcome:
    """Compute a metric for the k chosen on validation images, and one for every k."""
    subset, val, test = data.subset, data.val, data.test
    of_all, parts = vote_together(classify, config, data, runtime)
    voted, *others = ([of_k.of(part) for of_k in of_all] for part in parts)
    if val is None:
        best = int(np.argmin([abs(prediction.k - DEFAULT_K) for prediction in voted]))
        chosen = "no validation images to choose it on"
    else:
        best = int(np.argmax([np.mean(of_k.classes == val.labels) for of_k in others[0]]))
        chosen = "chosen on validation"
    common = f"k-NN{subset.description}, cosine, T={config.temperature:g}"
    headline, protocol = voted[best], f"{common}, k={voted[best].k} {chosen}"
    metrics = [Metric("top1", headline.classes == test.labels, protocol)]
    if len(data.class_names) > 5:
        within_five = (headline.ranking == test.labels[:, None]).any(axis=1)
        metrics.append(Metric("top5", within_five, protocol))
    metrics += [
        Metric(f"top1_k{of_k.k}", of_k.classes == test.labels, f"{common}, k={of_k.k}") for of_k in voted
    ]
    return Outcome(metrics, headline.classes)
