"""Every stage that uses Jittor, on the CUDA path: its operators compile and run, none on the processor.

The driver and NVIDIA's libraries only count (tests/cuda_counting): no kernel runs, and what is downloaded is
bytes of one value. No card is needed.
"""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.preparing import prepare
from pipeline.storage.files import write_json
from tests.cuda_counting.build import counting_toolkit
from tests.cuda_counting.counted_stages import StageCounts, read_stage_counts
from tests.cuda_counting.stage_runs import Job
from tests.cuda_toolkit import toolkit_13

pytestmark = pytest.mark.counted

ROOT = Path(__file__).resolve().parents[2]
DRAWINGS = {"images": "patches", "mosaics": "mosaics", "objects": "objects"}
# 0.0115 as float32, for what needs numbers above 0: boxes to compute masks for, vectors with a direction.
SMALL_NUMBER = "60"
NEED_NUMBERS = ("pretrain", "search-train", "detect", "predict-detect")


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """Call it with a stage's name; each runs once, in a process of its own."""
    tools, folder, done = counting_toolkit(toolkit_13()), tmp_path_factory.mktemp("stages"), {}
    data = {}
    for name, drawing in DRAWINGS.items():
        data[name] = folder / name
        data[name].mkdir()
        scenes = {"drawing": drawing, "image_size": 32, "num_train": 24, "num_val": 8, "num_test": 8}
        prepare(DataConfig.model_validate({"photo_scenes": scenes}), data[name], num_workers=1)

    def counted(stage: str) -> StageCounts:
        for needed in NEEDS[stage]:
            counted(needed)
        if stage not in done:
            output = folder / stage
            output.mkdir()
            artifacts = {name: str(folder / name) for name in done}
            job = Job(
                str(tools.library), str(output), **{name: str(path) for name, path in data.items()},
                artifacts=artifacts,
            )  # fmt: skip
            write_json(folder / f"{stage}.json", asdict(job))
            command = [sys.executable, "-m", "tests.cuda_counting.counted_stages", stage]
            environment = {
                **tools.environment,
                "COUNTING_BYTE": SMALL_NUMBER if stage in NEED_NUMBERS else "0",
            }
            ended = subprocess.run(
                [*command, str(folder / f"{stage}.json")],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert ended.returncode == 0, (ended.stdout + ended.stderr)[-6000:]
            done[stage] = read_stage_counts(output)
        return done[stage]

    return counted


# What each needs of the others.
NEEDS = {
    "initialize": (),
    "pretrain": (),
    "search-train": (),
    "features": ("initialize",),
    "linear-augmented": ("initialize", "features"),
    "finetune": ("initialize",),
    "dense-probe": ("initialize",),
    "segment-linear-frozen": ("initialize",),
    "segment-uper-finetuned": ("initialize",),
    "detect": ("initialize",),
    "embed": ("initialize",),
    "predict-segment": ("initialize", "segment-uper-finetuned"),
    "predict-detect": ("initialize", "detect"),
    "predict-classify": ("initialize", "finetune"),
}
TRAINED = ("pretrain", "search-train", "finetune", "segment-linear-frozen", "segment-uper-finetuned")


@pytest.mark.parametrize("stage", NEEDS)
def test_no_operator_runs_on_the_processor(counted, stage):
    """One that did would download its inputs: nothing is downloaded but what the stage reads."""
    found = counted(stage)
    assert found.on_processor == []
    assert found.whole.downloads <= found.num_read


@pytest.mark.parametrize("stage", TRAINED)
def test_nobody_waits_in_a_training_step(counted, stage):
    # The first and the last are read for the log, and what that has moved to the host goes back in the next.
    quiet = counted(stage).steps[2:-1]
    assert len(quiet) >= 3
    assert min(step.launches for step in quiet) > 10
    if stage == "search-train":  # which computes scores before its last step is over
        quiet = quiet[:-1]
    assert [(step.waits, step.downloads) for step in quiet] == [(0, 0)] * len(quiet)


def test_a_detector_waits_for_its_boxes_alone(counted):
    """NumPy chooses boxes and computes losses: of proposals, and of three stages with masks."""
    found = counted("detect")
    quiet = list(zip(found.steps, found.read_in_steps, strict=True))[2:-1]
    assert len(quiet) >= 3
    assert [(step.downloads, num_read) for step, num_read in quiet] == [(10, 10)] * len(quiet)


@pytest.mark.parametrize("stage", NEEDS)
def test_fine_tuning_multiplies_tf32_as_its_schedule_says_and_nothing_else_does(counted, stage):
    found = counted(stage).whole
    if stage in ("finetune", "detect", "segment-linear-frozen", "segment-uper-finetuned"):
        assert found.tf32_products > 0
        assert found.float32_products == 0
    else:
        assert found.tf32_products == 0


@pytest.mark.parametrize("stage", NEEDS)
def test_sums_have_a_fixed_order(counted, stage):
    """So that a run on one card gives the same bits twice."""
    assert counted(stage).atomic == []
