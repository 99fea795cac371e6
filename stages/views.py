"""Compute features of a backbone and of its auxiliary head on a sample of images, for the report."""

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from pipeline.config.stages import RuntimeConfig
from pipeline.config.views import ViewsConfig
from pipeline.graph.stage_runner import serve


def run(config: ViewsConfig, output: Path, *, backbone: Path, data: Path, runtime: RuntimeConfig) -> None:
    """Write views.npz of both sides, pca.png and, if the base has CLS attention, attention.png."""
    from pipeline import kernels
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.evaluate.feature_files import BACKBONE_FILES
    from pipeline.models.backbone_file import load_backbone
    from pipeline.pretrain.trained_head import load_auxiliary_head
    from pipeline.views.feature_maps import ViewExtractor
    from pipeline.views.files import Views, write_views
    from pipeline.views.maps import maps_of
    from pipeline.views.pictures import draw_attention, draw_colours
    from pipeline.views.sample import drawn_sample

    kernels.use(runtime.kernels)
    dataset, head, features = PreparedDataset.open(data), None, config.features
    if config.pretraining is not None:
        head = load_auxiliary_head(config.pretraining, backbone, features.weights)
        if head is None:
            print(f"no view of the auxiliary head: the checkpoint in {backbone} is gone")
    frozen = load_backbone(backbone / BACKBONE_FILES[features.weights])
    extractor = ViewExtractor(frozen, head, features, runtime.num_threads, _with_bar)
    sample = drawn_sample(dataset, config)
    vectors = extractor.vectors(dataset, sample.shown, sample.part)
    bank = extractor.vectors(dataset, sample.bank, "train")
    maps = extractor.feature_maps(dataset, sample.pictures)
    draw_colours(output, maps.crops, maps.tokens)
    if maps.attention is not None:
        draw_attention(output, maps.crops, maps.attention)
    write_views(output, Views(sample.part, sample.shown, sample.bank, vectors, bank, maps_of(vectors)))


def _with_bar(batches: Iterable, purpose: str, total: int) -> Iterable:
    return tqdm(batches, desc=purpose, unit="batch", total=total, dynamic_ncols=True)


if __name__ == "__main__":
    serve(run, ViewsConfig, needs_jittor=True)
