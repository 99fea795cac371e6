"""Stages by one rank or several: `python -m tests.stages.ranks_run FOLDER STAGE...`; inputs are in FOLDER."""

import sys
from pathlib import Path

from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.stages import FeaturesConfig, PretrainConfig, RuntimeConfig
from pipeline.config.studies import JointTrainingConfig


def run_stage(stage: str, folder: Path, output: Path, num_ranks: int) -> None:
    """Run one stage; its images are in `<folder>/<what it needs>`."""
    from stages import detect, features, finetune, search_train, segment
    from tests.stages import test_detect, test_finetune, test_segment

    runtime = RuntimeConfig(threads=num_ranks, devices=num_ranks, device="cpu", log_every_steps=1)
    output.mkdir(parents=True, exist_ok=True)
    backbone, images = folder / "backbone", folder / "images"
    if stage == "features":
        config = FeaturesConfig(resize=24, crop_size=24, num_blocks=2, batch_size=5)
        features.run(config, output, backbone=backbone, data=images, runtime=runtime)
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
