"""The logistic regression probe."""

import numpy as np

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.logistic import fit_logistic
from pipeline.evaluate.probe_data import ProbeData
from pipeline.evaluate.probes.settings import LogisticConfig
from pipeline.measures.classification_rows import Metric, Outcome


def probe_logistic(config: LogisticConfig, data: ProbeData, runtime: RuntimeConfig) -> Outcome:
    """Compute the metric for the regularisation chosen on validation images."""
    subset, train, val, test = data.subset, data.train, data.val, data.test
    fitted = fit_logistic(
        (np.asarray(train.last_cls), train.labels),
        None if val is None else (np.asarray(val.last_cls), val.labels),
        inverse_strengths=config.inverse_strengths,
        max_iterations=config.max_iterations,
        num_threads=runtime.num_threads,
    )
    chosen = "no validation images to choose it on" if val is None else "chosen on validation"
    protocol = (
        f"logistic regression{subset.description}, standardised CLS, C={fitted.inverse_strength:g} {chosen}"
    )
    if not fitted.converged:
        protocol += f", not converged in {config.max_iterations} iterations"
    predictions = fitted.predict(np.asarray(test.last_cls))
    return Outcome([Metric("top1", predictions == test.labels, protocol)], predictions)
