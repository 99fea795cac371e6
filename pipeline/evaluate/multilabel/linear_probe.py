"""The linear probe for images with any number of classes: every learning rate, one chosen on validation."""

import numpy as np

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.linear_probe import LinearSweep, best_rate, rate_scores
from pipeline.evaluate.multilabel.outcome import Scored, mean_average_precision
from pipeline.evaluate.probe_data import ProbeData
from pipeline.evaluate.probes.linear import linear_protocol, sweep_table, trained_sweep
from pipeline.evaluate.probes.settings import LinearConfig


def score_by_linear(config: LinearConfig, data: ProbeData, runtime: RuntimeConfig) -> Scored:
    """Scores with the rate chosen on validation, with the best rate on test, and a sweep table.

    The sweep of `pipeline.evaluate.probes.linear`, with a sigmoid and binary cross-entropy for each class.
    """
    inputs = {
        split: getattr(data, split).joined(config.num_blocks, average_pool=config.average_pool)
        for split in ("train", "val", "test")
    }
    sweep = trained_sweep(config, data, inputs["train"])
    found = {
        split: _precisions(sweep, inputs[split], getattr(data, split).labels) for split in ("val", "test")
    }
    chosen, on_test = (best_rate(found[split], sweep.diverged) for split in ("val", "test"))
    trained = linear_protocol(config, len(data.train))
    common = f"{trained}, no augmentation, binary cross-entropy for each class"
    lrs = sweep.base_lrs
    return Scored(
        _scores(sweep, inputs["test"], chosen),
        _scores(sweep, inputs["val"], chosen),
        f"{common}, base lr {lrs[chosen]:g} chosen on validation",
        {
            "best_on_test": (
                _scores(sweep, inputs["test"], on_test),
                f"{common}, base lr {lrs[on_test]:g}: best of the sweep on the test set (optimistic)",
            )
        },
        {"sweep.json": sweep_table(lrs, found, sweep.diverged)},
    )


def _precisions(sweep: LinearSweep, features, labels: np.ndarray) -> np.ndarray:
    """Mean average precision of every rate; 0 for those that diverged, which are never chosen."""
    return np.array(
        [
            mean_average_precision(labels == 1, logits) if np.isfinite(logits).all() else 0.0
            for logits in rate_scores(sweep, features)
        ]
    )


def _scores(sweep: LinearSweep, features, rate: int) -> np.ndarray:
    one = LinearSweep(
        sweep.base_lrs[rate : rate + 1],
        sweep.weights[:, :, rate : rate + 1],
        sweep.biases[:, rate : rate + 1],
    )
    return next(rate_scores(one, features))
