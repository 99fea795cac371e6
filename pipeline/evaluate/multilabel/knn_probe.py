"""The weighted k-NN probe for images with any number of classes, for every k at once."""

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.multilabel.knn import vote_shares
from pipeline.evaluate.multilabel.outcome import Scored, mean_average_precision
from pipeline.evaluate.probe_data import ProbeData
from pipeline.evaluate.probes.knn import DEFAULT_K, vote_together
from pipeline.evaluate.probes.settings import KnnConfig


def score_by_knn(config: KnnConfig, data: ProbeData, runtime: RuntimeConfig) -> Scored:
    """Scores with the k whose mean average precision is best on validation images, and with every k."""
    voted, parts = vote_together(vote_shares, config, data, runtime)
    on_test, *others = ({k: shares[part] for k, shares in voted.items()} for part in parts)
    on_val = others[0] if others else None
    if on_val is None:
        best = min(on_test, key=lambda k: abs(k - DEFAULT_K))
        chosen = "no validation images to choose it on"
    else:
        best = max(on_val, key=lambda k: mean_average_precision(data.val.labels == 1, on_val[k]))
        chosen = "chosen on validation"
    common = f"k-NN{data.subset.description}, votes for each class, cosine, T={config.temperature:g}"
    return Scored(
        on_test[best],
        None if on_val is None else on_val[best],
        f"{common}, k={best} {chosen}",
        {f"k{k}": (scores, f"{common}, k={k}") for k, scores in on_test.items()},
    )
