"""The weighted k-NN probe for images with any number of classes, for every k at once."""

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.feature_rows import StackedRows
from pipeline.evaluate.multilabel.knn import vote_shares
from pipeline.evaluate.multilabel.outcome import Scored, mean_average_precision
from pipeline.evaluate.neighbour_tiles import on_card
from pipeline.evaluate.probe_data import ProbeData
from pipeline.evaluate.probes.knn import DEFAULT_K
from pipeline.evaluate.probes.settings import KnnConfig


def score_by_knn(config: KnnConfig, data: ProbeData, runtime: RuntimeConfig) -> Scored:
    """Scores with the k whose mean average precision is best on validation images, and with every k."""
    train, val, test = data.train, data.val, data.test

    searched = StackedRows(tuple(split.last_cls for split in (test, val) if split is not None))
    voted = vote_shares(
        searched,
        train.last_cls,
        train.labels,
        ks=config.ks,
        temperature=config.temperature,
        num_threads=runtime.num_threads,
        on_card=on_card.is_ready(),
    )
    on_test, *others = ({k: shares[part] for k, shares in voted.items()} for part in searched.parts)
    on_val = others[0] if others else None
    if on_val is None:
        best = min(on_test, key=lambda k: abs(k - DEFAULT_K))
        chosen = "no validation images to choose it on"
    else:
        best = max(on_val, key=lambda k: mean_average_precision(val.labels == 1, on_val[k]))
        chosen = "chosen on validation"
    common = f"k-NN{data.subset.description}, votes for each class, cosine, T={config.temperature:g}"
    return Scored(
        on_test[best],
        None if on_val is None else on_val[best],
        f"{common}, k={best} {chosen}",
        {f"k{k}": (scores, f"{common}, k={k}") for k, scores in on_test.items()},
    )
