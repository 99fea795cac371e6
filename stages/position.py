"""Segment the test images by position alone: a floor that every segmentation should beat."""

from pathlib import Path

from pipeline.config.dense import PositionConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: PositionConfig, output: Path, *, data: Path, runtime: RuntimeConfig) -> None:
    """Write rows with bootstrap replicates for every task of segmentation, and scores by class."""
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.evaluate.mean_iou import SegmentationCounts, class_areas, set_scores
    from pipeline.measures.classification_rows import write_no_outcome
    from pipeline.measures.intervals.resamples import resample_counts
    from pipeline.measures.measure import Measure, TestImages, write_measures
    from pipeline.segmentation.outcome import why_not, write_tables
    from pipeline.segmentation.position import most_frequent_classes, resized

    dataset = PreparedDataset.open(data)
    reason = why_not(dataset)
    if reason:
        write_no_outcome(output, reason)
        return
    train, rows = dataset.indices("train").tolist(), dataset.indices("test").tolist()
    classes = most_frequent_classes(map(dataset.label_map, train), len(dataset.class_names))
    counts = SegmentationCounts(len(dataset.class_names))
    for row in rows:
        truth = dataset.label_map(row)
        counts.add(truth, resized(classes, *truth.shape))
    write_tables(output, counts.confusion, dataset.class_names)
    images = TestImages(dataset.name, dataset.split_names["test"], len(rows))
    protocol = f"each position's most frequent class in the label maps of {len(train)} training images"
    values, measures = set_scores(class_areas(counts.confusion)), []
    for task, num_bootstrap in config.num_bootstrap.items():
        replicates, _ = counts.resampled(resample_counts(len(rows), num_bootstrap))
        # Patch probes have no other metric.
        names = values if task.startswith("segment-") else ["miou"]
        measures += [
            Measure(task, name, float(values[name]), protocol, images, replicates[name]) for name in names
        ]
    write_measures(output, measures)


if __name__ == "__main__":
    serve(run, PositionConfig)
