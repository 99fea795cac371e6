from pipeline.datasets.prepared import PreparedDataset
from pipeline.pretrain.discrepancy_rows import discrepancy_measures


def test_rows_are_fractions_and_only_of_a_head(tiny_prepared):
    dataset = PreparedDataset.open(tiny_prepared)
    metrics = {"loss": 3.0, "discrepancy_cka": 0.4, "discrepancy_cosine": 0.2, "discrepancy_kl": 1.5}
    found = discrepancy_measures(metrics, dataset)
    assert [(m.metric, m.value) for m in found] == [("cka", 0.4), ("cosine", 0.2)]
    assert {(m.images.split, m.images.num_images) for m in found} == {
        (dataset.split_names["val"], min(64, len(dataset.indices("val"))))
    }
    assert discrepancy_measures({"loss": 3.0}, dataset) == []
