"""Weighted k-NN on cached features."""

from pathlib import Path

import numpy as np

from pipeline.config.stages import KnnConfig, RuntimeConfig
from pipeline.graph.stage_runner import serve

DEFAULT_K = 20  # where there is no validation split; usually the best (DINO, iBOT)


def run(
    config: KnnConfig, output: Path, *, features: Path, runtime: RuntimeConfig, labels: Path | None = None
) -> None:
    """Write a row for the k chosen on validation, and one for every k.

    Args:
        labels: a subset of the training images to learn from; None: all.
    """
    from pipeline.evaluate.knn import classify
    from pipeline.evaluate.probe_data import open_probe
    from pipeline.report.classification_rows import Metric, write_outcome

    data = open_probe(features, output, labels=labels)
    if data is None:
        return
    subset, train, val, test = data.subset, data.train, data.val, data.test

    def vote(queries: np.ndarray) -> list:
        return classify(
            queries,
            train.last_cls,
            train.labels,
            ks=config.ks,
            temperature=config.temperature,
            num_threads=runtime.num_threads,
        )

    voted = vote(test.last_cls)
    if val is None:
        best = int(np.argmin([abs(prediction.k - DEFAULT_K) for prediction in voted]))
        chosen = "no validation images to choose it on"
    else:
        best = int(np.argmax([np.mean(of_k.classes == val.labels) for of_k in vote(val.last_cls)]))
        chosen = "chosen on validation"
    common = f"k-NN{subset.words}, cosine, T={config.temperature:g}"
    headline, protocol = voted[best], f"{common}, k={voted[best].k} {chosen}"
    metrics = [Metric("top1", headline.classes == test.labels, protocol)]
    if len(data.class_names) > 5:
        within_five = (headline.ranking == test.labels[:, None]).any(axis=1)
        metrics.append(Metric("top5", within_five, protocol))
    metrics += [
        Metric(f"top1_k{of_k.k}", of_k.classes == test.labels, f"{common}, k={of_k.k}") for of_k in voted
    ]
    write_outcome(
        output,
        subset.task("knn"),
        metrics,
        headline.classes,
        data.test_images,
        num_bootstrap=config.num_bootstrap,
    )


if __name__ == "__main__":
    serve(run, KnnConfig)
