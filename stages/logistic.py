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
    from pipeline.evaluate.logistic import fit_logistic
    from pipeline.evaluate.probe_data import open_probe
    from pipeline.report.classification_rows import Metric, write_outcome

    data = open_probe(features, output, labels=labels)
    if data is None:
        return
    subset, train, val, test = data.subset, data.train, data.val, data.test
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
        data.test_images,
        num_bootstrap=config.num_bootstrap,
    )


if __name__ == "__main__":
    serve(run, LogisticConfig)
