"""The logistic regression probe for images with any number of classes."""

import numpy as np

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.multilabel.logistic import fitted_classes
from pipeline.evaluate.multilabel.outcome import Scored, mean_average_precision
from pipeline.evaluate.probe_data import ProbeData
from pipeline.evaluate.probes.settings import LogisticConfig


def score_by_logistic(config: LogisticConfig, data: ProbeData, runtime: RuntimeConfig) -> Scored:
    """Scores with the regularisation whose mean average precision is best on validation images.

    All classes have the same regularisation; the strongest, which is the smallest C, wins a tie. Without
    validation images it is the candidate nearest to 1, scikit-learn's default.
    """
    train, val, test = data.train, data.val, np.asarray(data.test.last_cls)
    strengths, chosen = config.inverse_strengths, "chosen on validation"
    if val is None:
        strengths = (min(strengths, key=lambda c: (abs(np.log(c)), c)),)
        chosen = "no validation images to choose it on"
    fits = list(
        fitted_classes(np.asarray(train.last_cls), train.labels == 1, strengths, config.max_iterations)
    )
    on_val = [] if val is None else [fit.scores(np.asarray(val.last_cls)) for fit in fits]
    best = 0
    if on_val:
        best = int(np.argmax([mean_average_precision(val.labels == 1, scores) for scores in on_val]))
    fit = fits[best]
    protocol = (
        f"logistic regression of each class{data.subset.description}, standardised CLS, "
        f"C={fit.inverse_strength:g} {chosen}"
    )
    if fit.num_unfinished:
        protocol += f", {fit.num_unfinished} classes not converged in {config.max_iterations} iterations"
    return Scored(fit.scores(test), on_val[best] if on_val else None, protocol)
