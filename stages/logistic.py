"""Logistic regression on cached features."""

from pathlib import Path

from pipeline.config.stages import LogisticConfig, RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(
    config: LogisticConfig,
    output: Path,
    *,
    features: Path,
    runtime: RuntimeConfig,
    labels: Path | None = None,
) -> None:
    """Write the row of the regularisation chosen on validation.

    Args:
        labels: a subset of the training images to learn from; None: all.
    """
    from pipeline.datasets.label_subset import read_subset
    from pipeline.evaluate.feature_files import read_features
    from pipeline.evaluate.logistic import fit_logistic
    from pipeline.report.classification_rows import Metric, why_not, write_no_outcome, write_outcome

    stored = read_features(features)
    reason = why_not(stored.dataset, stored.labels("train", "test"))
    if reason:
        print(reason)
        write_no_outcome(output, reason)
        return
    subset, val, test = read_subset(labels), stored.val, stored.test
    train = stored.train.only(subset.chosen(stored.train.index))
    fitted = fit_logistic(
        (train.last_cls, train.labels),
        None if val is None else (val.last_cls, val.labels),
        inverse_strengths=config.inverse_strengths,
        max_iterations=config.max_iterations,
    )
    chosen = "no validation images to choose it on" if val is None else "chosen on validation"
    protocol = f"logistic regression{subset.words}, standardised CLS, C={fitted.inverse_strength:g} {chosen}"
    if not fitted.converged:
        protocol += f", not converged in {config.max_iterations} iterations"
        print(f"logistic: {protocol}")
    predictions = fitted.predict(test.last_cls)
    metrics = [Metric("top1", predictions == test.labels, protocol)]
    write_outcome(
        output,
        subset.task("logistic"),
        metrics,
        predictions,
        stored.test_images(),
        num_bootstrap=config.num_bootstrap,
    )


if __name__ == "__main__":
    serve(run, LogisticConfig)
