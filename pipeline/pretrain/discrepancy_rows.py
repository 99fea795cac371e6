"""The last discrepancy of a pretraining as rows of the tables."""

from pipeline.datasets.prepared import PreparedDataset
from pipeline.measures.measure import Measure, TestImages
from pipeline.pretrain.held_out import held_out_rows

_WORDS = {
    "cka": "1 - linear CKA of patch tokens before the last norms",
    "cosine": "(1 - cosine) / 2 of projected CLS vectors",
}


def discrepancy_measures(metrics: dict[str, float], dataset: PreparedDataset) -> list[Measure]:
    """Rows of the last logged discrepancies that are fractions; none for a network without a head."""
    part, rows = held_out_rows(dataset)
    images = TestImages(dataset.name, dataset.split_names[part], len(rows))
    protocol = "teacher's {}; no labels; this project's definition"
    return [
        Measure("discrepancy", name, metrics[f"discrepancy_{name}"], protocol.format(words), images)
        for name, words in _WORDS.items()
        if f"discrepancy_{name}" in metrics
    ]
