"""Trains for twenty steps, on one rank or several.

`python -m tests.pipeline.pretrain.ranks_run DATA FOLDER...`: each folder is named after its configuration;
training continues from a checkpoint in it. With AS_GPUS=1 ranks exchange as GPUs do, over a stand-in.
"""

import os
import shutil
import sys
from pathlib import Path

from pipeline.config.stages import PretrainConfig, RuntimeConfig
from tests.pipeline.pretrain.small_run import config_of_method, small_config

NUM_STEPS = 20
AFTER_THREE = "after-3.safetensors"  # the checkpoint of step 3


def _twenty_steps(config: PretrainConfig, **schedule) -> PretrainConfig:
    """Of 8 images, of 10 in an epoch.

    With SGD: AdamW hides a gradient that is a multiple of the right one, and turns a gradient that is
    rounding noise into a step of full size.
    """
    update = {"epochs": 0.8 * NUM_STEPS, "batch_size": 8, "base_lr": 0.2, "optimizer": "sgd", **schedule}
    return config.model_copy(update={"schedule": config.schedule.model_copy(update=update)})


BATCH_NORM = {"hidden_dim": 20, "bottleneck_dim": 12, "num_prototypes": 19, "norm": "batch"}
# Batch norms over eight rows, and DINO's centre of as many, amplify rounding from step to step.
GENTLE = 0.005
CONFIGS = {
    "hssl": _twenty_steps(small_config(), accumulation_steps=2),
    "ibot": _twenty_steps(small_config(auxiliary_head=None)),
    "dino": _twenty_steps(small_config(auxiliary_head=None, objective={"patch_weight": 0}), base_lr=GENTLE),
    "mae": _twenty_steps(config_of_method("mae", head=False)),
    "hssl-norm": _twenty_steps(small_config(projection_head=BATCH_NORM), base_lr=GENTLE),
    **{
        f"hssl-{method}" if head else method: _twenty_steps(
            config_of_method(method, head=head), base_lr=GENTLE
        )
        for method in ("mocov3", "simclr", "byol")
        for head in (False, True)
    },
    "hssl-mae": _twenty_steps(config_of_method("mae", head=True)),
    "hssl-adamw": _twenty_steps(small_config(), optimizer="adamw", base_lr=0.008),
}


def train(folder: Path, data: Path) -> None:
    """Train the configuration named by the folder, saving and logging at every step."""
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.pretrain.training import pretrain
    from pipeline.ranks.exchange import ranks_of_this_process

    def report(progress):
        if progress.step == 4:  # not saved yet
            shutil.copy(folder / "checkpoint.safetensors", folder / AFTER_THREE)

    runtime = RuntimeConfig(checkpoint_every_minutes=1e-9, log_every_steps=1)
    folder.mkdir(parents=True, exist_ok=True)
    config, ranks = CONFIGS[folder.name], ranks_of_this_process()
    pretrain(config, PreparedDataset.open(data), folder, runtime=runtime, report=report, ranks=ranks)


if __name__ == "__main__":
    from pipeline.runtime.start_jittor import start

    start("cpu", 1)
    if "AS_GPUS" in os.environ:
        from tests.nccl_stand_in.connecting import connect

        connect()
    for given in sys.argv[2:]:
        train(Path(given), Path(sys.argv[1]))
