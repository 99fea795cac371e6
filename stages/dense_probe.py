"""Probe one backbone's frozen patch features for segmentation and object discovery."""

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from pipeline.config.dense import DenseProbeConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(
    config: DenseProbeConfig,
    output: Path,
    *,
    backbone: Path,
    runtime: RuntimeConfig,
    segmentation: Path | None = None,
    detection: Path | None = None,
) -> None:
    """Write the rows of every probe that the data allow, and the pictures.

    Each rank computes its share of the batches; rank 0 alone writes.
    """
    from pipeline import kernels
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.dense_probes.object_probes import object_probes
    from pipeline.dense_probes.patch_reader import PatchReader
    from pipeline.dense_probes.pictures import draw_label_maps, draw_objects
    from pipeline.dense_probes.segmentation_probes import segmentation_probes
    from pipeline.measures.measure import write_measures
    from pipeline.models.backbone_file import load_backbone
    from pipeline.ranks.exchange import ranks_of_this_process

    kernels.use(runtime.kernels)
    ranks = ranks_of_this_process()
    reader = PatchReader(
        backbone=load_backbone(backbone / "backbone.safetensors"),
        image_size=config.image_size,
        batch_size=config.batch_size,
        num_threads=runtime.threads_per_rank,
        show=_with_bar,
        ranks=ranks,
    )
    measures = []
    if segmentation is not None:
        dataset = PreparedDataset.open(segmentation)
        measures, classifiers = segmentation_probes(dataset, reader, config, print)
        if ranks.is_first:
            draw_label_maps(output, dataset, reader.alone, classifiers, config.num_pictures)
    if detection is not None:
        dataset = PreparedDataset.open(detection)
        measures += object_probes(dataset, reader, config, print)
        if ranks.is_first:
            draw_objects(output, dataset, reader.alone, config)
    if ranks.is_first:
        write_measures(output, measures)


def _with_bar(batches: Iterable, purpose: str, total: int) -> Iterable:
    return tqdm(batches, desc=purpose, unit="batch", total=total, dynamic_ncols=True)


if __name__ == "__main__":
    serve(run, DenseProbeConfig, needs_jittor=True, on_ranks=True)
