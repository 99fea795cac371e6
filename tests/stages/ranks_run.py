"""Stages by one rank or several: `python -m tests.stages.ranks_run FOLDER STAGE...`; inputs are in FOLDER."""

import sys
from pathlib import Path

from pipeline.config.linear_augmented import LinearAugmentedConfig, LinearAugmentedSection
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.stages import PretrainConfig, RuntimeConfig
from pipeline.config.studies import JointTrainingConfig


def run_stage(stage: str, folder: Path, output: Path, num_ranks: int) -> None:
    """Run one stage; its images are in `<folder>/<what it needs>`."""
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
        mixer = AuxiliaryHeadConfig(kind="mixer", depth=1)
        heads = {"conv": AuxiliaryHeadConfig(depth=2, kernel_size=3), "mixer": mixer}
        pretrain = PretrainConfig.model_validate_json((folder / "pretrain.json").read_text())
        config = JointTrainingConfig(pretrain=pretrain, candidates=heads)
        search_train.run(config, output, data=images, runtime=runtime)


if __name__ == "__main__":
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.runtime.start_jittor import start

    start("cpu", 1)
    root = Path(sys.argv[1])
    for name in sys.argv[2:]:
        ranks = ranks_of_this_process()
        run_stage(name, root, root / "two" / name, ranks.count)
        ranks.wait_for_all()
