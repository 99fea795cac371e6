"""Train the linear probe on features of random crops, which are computed on the fly."""

from pathlib import Path

import numpy as np

from pipeline.config.linear_augmented import LINEAR_AUGMENTED, LinearAugmentedConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(
    config: LinearAugmentedConfig,
    output: Path,
    *,
    features: Path,
    backbone: Path,
    data: Path,
    runtime: RuntimeConfig,
) -> None:
    """Write the rows, the predictions and the sweep; validation and test images are those of `features`.

    Each rank computes its share of the crops' features; all ranks train, rank 0 alone writes.
    """
    import jittor as jt

    from pipeline import kernels
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.evaluate.augmented_rows import AugmentedRows
    from pipeline.evaluate.feature_files import BACKBONE_FILES
    from pipeline.evaluate.probe_data import open_probe
    from pipeline.evaluate.probes.linear import SEED, measured
    from pipeline.evaluate.sweep_checkpoint import SweepCheckpoint
    from pipeline.measures.classification_rows import write_outcome
    from pipeline.models.backbone_file import load_backbone
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.storage.files import sha256_of_file, sha256_of_json, write_json

    ranks = ranks_of_this_process()
    probe = open_probe(features, output, needs_val=True, one_class_for=LINEAR_AUGMENTED)
    if probe is None:
        return
    kernels.use(runtime.kernels)
    path = backbone / BACKBONE_FILES[config.features.weights]
    frozen = load_backbone(path)

    def forward(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cls, patch_mean = frozen.features(jt.array(images), config.features.num_blocks)
        return cls.numpy(), patch_mean.numpy()

    views = config.views
    train = AugmentedRows(
        dataset=PreparedDataset.open(data),
        rows=probe.train.index,
        config=config,
        mean=frozen.mean,
        std=frozen.std,
        forward=forward,
        num_channels=frozen.config.dim,
        num_threads=runtime.threads_per_rank,
        seed=SEED,
        ranks=ranks,
    )
    augmented = (
        f"random crops of {views.scale[0]:g}-{views.scale[1]:g} of the image, "
        f"flips with {views.flip_probability:g}"
    )
    decisive = [config.model_dump(mode="json"), sha256_of_file(path), probe.train.index.tolist()]
    checkpoint = SweepCheckpoint(
        output,
        run=sha256_of_json(decisive),
        minutes=runtime.checkpoint_every_minutes,
        say=lambda text: print(text, flush=True),
        restored=train.start_after,
        ranks=ranks,
    )
    outcome = measured(config.linear, probe, train, augmentation=augmented, checkpointer=checkpoint)
    if not ranks.is_first:
        return
    for name, content in outcome.files.items():
        write_json(output / name, content)
    write_outcome(
        output,
        LINEAR_AUGMENTED,
        outcome.metrics,
        outcome.predictions,
        probe.test_images,
        num_bootstrap=config.linear.num_bootstrap,
    )
    checkpoint.finish()
    print(outcome.metrics[0].protocol)


if __name__ == "__main__":
    serve(run, LinearAugmentedConfig, needs_jittor=True, on_ranks=True)
