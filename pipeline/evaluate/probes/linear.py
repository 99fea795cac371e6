"""The linear probe by the iBOT protocol: every learning rate at once, the best one chosen on validation."""

from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.feature_rows import FeatureRows
from pipeline.evaluate.linear_probe import Checkpointer, LinearSweep, best_rate, predict, train_sweep
from pipeline.evaluate.probe_data import ProbeData
from pipeline.evaluate.probes.settings import LinearConfig
from pipeline.evaluate.sweep_divergence import divergence
from pipeline.measures.classification_rows import Metric, Outcome

if TYPE_CHECKING:
    from pipeline.evaluate.augmented_rows import AugmentedRows

SEED = 20  # of initial weights and batches; not an option, so that arms differ only in their features


def probe_linear(config: LinearConfig, data: ProbeData, runtime: RuntimeConfig) -> Outcome:
    """Compute a metric for the rate chosen on validation, one by iBOT's own practice, and a sweep table."""
    train = data.train.joined(config.num_blocks, average_pool=config.average_pool)
    return measured(config, data, train, augmentation="no augmentation")


def measured(
    config: LinearConfig,
    data: ProbeData,
    train: "FeatureRows | AugmentedRows",
    *,
    augmentation: str,
    checkpointer: Checkpointer | None = None,
) -> Outcome:
    """Compute what `probe_linear` does, from any features of the training images.

    Args:
        train: (N, D), in the order of `data.train`.
        augmentation: of the training images, for the protocol.
        checkpointer: of the state of the training.
    """
    inputs = {
        split: getattr(data, split).joined(config.num_blocks, average_pool=config.average_pool)
        for split in ("val", "test")
    }
    sweep = trained_sweep(config, data, train, checkpointer)
    predictions = predict(sweep, inputs["test"])
    correct = predictions == data.test.labels[:, None]
    on_val = (predict(sweep, inputs["val"]) == data.val.labels[:, None]).mean(axis=0)
    on_test = correct.mean(axis=0)
    chosen, best_on_test = best_rate(on_val, sweep.diverged), best_rate(on_test, sweep.diverged)
    common = f"{linear_protocol(config, len(data.train))}, {augmentation}"
    lrs = sweep.base_lrs
    ibot = "iBOT's own practice, best of the sweep on the test set (optimistic)"
    metrics = [
        Metric("top1", correct[:, chosen], f"{common}, base lr {lrs[chosen]:g} chosen on validation"),
        Metric(
            "top1_best_on_test", correct[:, best_on_test], f"{common}, base lr {lrs[best_on_test]:g}: {ibot}"
        ),
    ]
    table = sweep_table(lrs, {"val": on_val, "test": on_test}, sweep.diverged)
    return Outcome(metrics, predictions[:, chosen], {"sweep.json": table})


def trained_sweep(
    config: LinearConfig,
    data: ProbeData,
    train: "np.ndarray | FeatureRows | AugmentedRows",
    checkpointer: Checkpointer | None = None,
) -> LinearSweep:
    """Train the classifiers of every rate, with a progress bar; arguments as in `measured`.

    Where every rate diverged, it is trained again up to there, features of random crops included.

    Raises:
        FloatingPointError: every rate diverged; the message names step, images and tensor.
    """
    num_classes = len(data.class_names)
    with tqdm(unit="epoch", total=config.epochs, dynamic_ncols=True) as bar:
        sweep = train_sweep(
            train,
            data.train.labels,
            config,
            num_classes=num_classes,
            rng=np.random.default_rng(SEED),
            report=lambda epoch: bar.update(epoch - bar.n),
            checkpointer=checkpointer,
        )
    if sweep.diverged.all():
        if checkpointer is not None:
            train.start_after(0)  # the same crops again: their numbers decide them
        again = {"num_classes": num_classes, "rng": np.random.default_rng(SEED)}
        raise FloatingPointError(divergence(train, data.train.labels, data.train.index, config, **again))
    return sweep


def linear_protocol(config: LinearConfig, num_train: int) -> str:
    """The protocol for tables, without the rate."""
    blocks = "block" if config.num_blocks == 1 else f"{config.num_blocks} blocks"
    pooled = " and mean patch token" if config.average_pool else ""
    batch = min(config.batch_size, num_train)
    return f"linear, CLS of the last {blocks}{pooled}, SGD, {config.epochs} epochs, batch {batch}"


def sweep_table(
    base_lrs: tuple[float, ...], accuracies: dict[str, np.ndarray], diverged: np.ndarray
) -> list[dict]:
    """One JSON object per learning rate; a rate that diverged has no accuracy."""
    return [
        {
            "base_lr": base_lr,
            "diverged": bool(diverged[i]),
            **{split: None if diverged[i] else float(values[i]) for split, values in accuracies.items()},
        }
        for i, base_lr in enumerate(base_lrs)
    ]
