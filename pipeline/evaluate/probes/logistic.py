"""Logistic regression."""

from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.label_subset import LabelSubset
from pipeline.evaluate.feature_files import FeatureSet
from pipeline.evaluate.logistic import fit_logistic
from pipeline.evaluate.probes.settings import LogisticConfig
from pipeline.report.classification_rows import Metric, Outcome


def probe_logistic(
    config: LogisticConfig, stored: FeatureSet, subset: LabelSubset, runtime: RuntimeConfig
) -> Outcome:
    """The metric of the regularisation chosen on validation."""
    val, test = stored.val, stored.test
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
    predictions = fitted.predict(test.last_cls)
    return Outcome([Metric("top1", predictions == test.labels, protocol)], predictions)
