"""Linear probe on cached features: every learning rate at once, the best chosen on validation."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.config.stages import LinearConfig, RuntimeConfig
from pipeline.graph.stage_runner import serve

SEED = 20  # of first weights and batches; not an option, so that arms differ in their features only


def run(config: LinearConfig, output: Path, *, features: Path, runtime: RuntimeConfig) -> None:
    """Write a row for the rate chosen on validation, one for iBOT's own practice, and the whole sweep."""
    from pipeline.evaluate.linear_probe import best_rate, predict, train_sweep
    from pipeline.evaluate.probe_data import open_probe
    from pipeline.report.classification_rows import Metric, write_outcome
    from pipeline.storage.files import write_json

    data = open_probe(features, output, needs_val=True)
    if data is None:
        return
    inputs = {
        split: getattr(data, split).joined(config.num_blocks, average_pool=config.average_pool)
        for split in ("train", "val", "test")
    }
    with tqdm(desc="linear", unit="epoch", total=config.epochs, dynamic_ncols=True) as bar:
        sweep = train_sweep(
            inputs["train"],
            data.train.labels,
            config,
            num_classes=len(data.class_names),
            rng=np.random.default_rng(SEED),
            report=lambda epoch: bar.update(epoch - bar.n),
        )
    predictions = predict(sweep, inputs["test"])
    correct = predictions == data.test.labels[:, None]
    on_val = (predict(sweep, inputs["val"]) == data.val.labels[:, None]).mean(axis=0)
    on_test = correct.mean(axis=0)
    chosen, best_on_test = best_rate(on_val, sweep.diverged), best_rate(on_test, sweep.diverged)
    common = _protocol(config, len(data.train))
    lrs = sweep.base_lrs
    ibot = "iBOT's own practice, best of the sweep on the test set (optimistic)"
    metrics = [
        Metric("top1", correct[:, chosen], f"{common}, base lr {lrs[chosen]:g} chosen on validation"),
        Metric(
            "top1_best_on_test", correct[:, best_on_test], f"{common}, base lr {lrs[best_on_test]:g}: {ibot}"
        ),
    ]
    write_json(output / "sweep.json", _sweep_table(lrs, {"val": on_val, "test": on_test}, sweep.diverged))
    write_outcome(
        output,
        "linear",
        metrics,
        predictions[:, chosen],
        data.test_images,
        num_bootstrap=config.num_bootstrap,
    )


def _protocol(config: LinearConfig, num_train: int) -> str:
    blocks = "block" if config.num_blocks == 1 else f"{config.num_blocks} blocks"
    pooled = " and mean patch token" if config.average_pool else ""
    batch = min(config.batch_size, num_train)
    return (
        f"linear, CLS of the last {blocks}{pooled}, SGD, {config.epochs} epochs, batch {batch}, "
        "no augmentation"
    )


def _sweep_table(
    base_lrs: tuple[float, ...], accuracies: dict[str, np.ndarray], diverged: np.ndarray
) -> list[dict]:
    """One object per rate; a rate that diverged has no accuracy."""
    return [
        {
            "base_lr": base_lr,
            "diverged": bool(diverged[i]),
            **{split: None if diverged[i] else float(values[i]) for split, values in accuracies.items()},
        }
        for i, base_lr in enumerate(base_lrs)
    ]


if __name__ == "__main__":
    serve(run, LinearConfig)
