"""Initialise a backbone with random weights, the baseline `random` of every table."""

from pathlib import Path

from pipeline.config.stages import InitializeConfig, RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: InitializeConfig, output: Path, *, data: Path, runtime: RuntimeConfig) -> None:
    """Write backbone.safetensors with the weights that pretraining would start from."""
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.models.backbone_file import FrozenBackbone, save_backbone
    from pipeline.models.backbones import build_backbone
    from pipeline.models.initialization import initialize
    from pipeline.pretrain.input_statistics import input_statistics

    network = build_backbone(config.backbone)
    initialize(network, config.seed)
    mean, std = input_statistics(config.normalization, PreparedDataset.open(data))
    save_backbone(
        output / "backbone.safetensors", FrozenBackbone(network, config.backbone, "random", mean, std)
    )


if __name__ == "__main__":
    serve(run, InitializeConfig, needs_jittor=True)
