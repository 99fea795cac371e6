"""Runs stages on one rank or several: `python -m tests.stages.ranks_run FOLDER STAGE...`."""

import json
import sys
from pathlib import Path

from pipeline.config.backbone import BackboneConfig
from pipeline.config.data import DataConfig
from pipeline.config.linear_augmented import LinearAugmentedConfig, LinearAugmentedSection
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.stages import InitializeConfig, PretrainConfig, RuntimeConfig
from pipeline.config.studies import JointTrainingConfig
from pipeline.datasets.preparing import prepare

SMALL = {"size": "custom", "image_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
PRETRAIN = {
    "backbone": SMALL | {"image_size": 24, "patch_size": 6},
    "auxiliary_head": {"depth": 2, "kernel_size": 3},
    "projection_head": {"hidden_dim": 20, "bottleneck_dim": 12, "num_prototypes": 16},
    "objective": {},
    "regularisation": {"drop_path_rate": 0.2},
    "crops": {"global_size": 24, "local_size": 12, "num_local": 1},
    "masks": {},
    "schedule": {"epochs": 2, "batch_size": 12, "warmup_epochs": 0, "freeze_last_layer_epochs": 0},
    "normalization": "dataset",
    "seed": 3,
}


def write_inputs(root: Path, images: Path) -> None:
    """Write the stages' inputs into a folder: images, label maps, objects, and a random backbone."""
    from stages import initialize
    from tests.stages.test_segment import CLASSES, write_images

    (root / "images").symlink_to(images)
    for name in ("backbone", "label_maps", "objects"):
        (root / name).mkdir()
    drawn = InitializeConfig(backbone=BackboneConfig(**SMALL), normalization="dataset", seed=1)
    initialize.run(drawn, root / "backbone", data=images, runtime=RuntimeConfig(threads=1))
    source = write_images(root / "masks", {"train": 8, "val": 1, "test": 5})
    maps = DataConfig(source=str(source), class_names=CLASSES, val_share=0.0)
    prepare(maps, root / "label_maps", num_workers=1)
    scenes = {"drawing": "objects", "image_size": 32, "num_train": 8, "num_val": 2, "num_test": 5}
    prepare(DataConfig.model_validate({"photo_scenes": scenes}), root / "objects", num_workers=1)
    (root / "pretrain.json").write_text(json.dumps(PRETRAIN))


def run_stage(stage: str, folder: Path, output: Path, num_ranks: int) -> None:
    """Run one stage; its images are in the folder named for its data."""
    from stages import dense_probe, detect, features, finetune, linear_augmented, search_train, segment
    from tests.stages import test_dense_probe, test_detect, test_finetune, test_linear_augmented, test_segment

    runtime = RuntimeConfig(threads=num_ranks, devices=num_ranks, device="cpu", log_every_steps=1)
    output.mkdir(parents=True, exist_ok=True)
    backbone, images = folder / "backbone", folder / "images"
    if stage == "features":
        features.run(test_linear_augmented.FEATURES, output, backbone=backbone, data=images, runtime=runtime)
    if stage == "linear_augmented":
        config = LinearAugmentedConfig(
            views=LinearAugmentedSection(),
            linear=test_linear_augmented.LINEAR,
            features=test_linear_augmented.FEATURES,
        )
        given = {"features": folder / "one" / "features", "backbone": backbone, "data": images}
        linear_augmented.run(config, output, **given, runtime=runtime)
    if stage == "dense_probe":
        # Five test images in batches of two: in the last round of two ranks, one has none left.
        config = test_dense_probe.CONFIG.model_copy(update={"batch_size": 2})
        given = {"segmentation": folder / "label_maps", "detection": folder / "objects"}
        dense_probe.run(config, output, backbone=backbone, **given, runtime=runtime)
    if stage == "finetune":
        finetune.run(test_finetune.SHORT, output, backbone=backbone, data=images, runtime=runtime)
    if stage == "segment":
        config = test_segment.configured(num_steps=5)
        segment.run(config, output, backbone=backbone, data=folder / "label_maps", runtime=runtime)
    if stage == "detect":
        config = test_detect.configured(num_steps=5)
        detect.run(config, output, backbone=backbone, data=folder / "objects", runtime=runtime)
    if stage == "search_train":
        config = search_config(PretrainConfig.model_validate_json((folder / "pretrain.json").read_text()))
        search_train.run(config, output, data=images, runtime=runtime)


def search_config(pretrain: PretrainConfig) -> JointTrainingConfig:
    """Two candidates on one base."""
    mixer = AuxiliaryHeadConfig(kind="mixer", depth=1)
    heads = {"conv": AuxiliaryHeadConfig(depth=2, kernel_size=3), "mixer": mixer}
    return JointTrainingConfig(pretrain=pretrain, candidates=heads)


if __name__ == "__main__":
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.runtime.start_jittor import start

    start("cpu", 1)
    root = Path(sys.argv[1])
    for name in sys.argv[2:]:
        ranks = ranks_of_this_process()
        run_stage(name, root, root / "two" / name, ranks.count)
        ranks.barrier()
