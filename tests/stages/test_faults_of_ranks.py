"""Stages on two ranks of which one is killed, stands still, or gets no memory; the next run goes on."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.config.section import Section
from pipeline.config.stages import PretrainConfig
from pipeline.graph.stage_runner import Job
from pipeline.storage.artifacts import log_of_rank
from pipeline.training.metrics_log import read_metrics
from tests.pipeline.several_ranks import LIMIT_SECONDS, needs_mpi
from tests.stages import test_detect, test_finetune, test_linear_augmented, test_segment
from tests.stages.ranks_run import PRETRAIN, search_config, write_inputs
from tests.stages.test_pretrain_on_ranks import ROOT, ranks_below, wait_until

pytestmark = [needs_mpi, pytest.mark.slow]  # processes that wait for one another

NUM_STEPS = 40
SILENCE_MINUTES = 0.5  # on a busy machine a step of a rank may take seconds
OF_IMAGES, OF_BACKBONE = {"data": "images"}, {"backbone": "backbone", "data": "images"}
INPUTS = {
    "pretrain": OF_IMAGES,
    "search_train": OF_IMAGES,
    "finetune": OF_BACKBONE,
    "segment": OF_BACKBONE | {"data": "label_maps"},
    "detect": OF_BACKBONE | {"data": "objects"},
    "features": OF_BACKBONE,
}


def config_of(stage: str) -> Section:
    """The stage for `NUM_STEPS` steps."""
    pretrain = PretrainConfig.model_validate(PRETRAIN)  # an epoch has three steps
    schedule = pretrain.schedule.model_copy(update={"epochs": NUM_STEPS / 3})
    pretrain = pretrain.model_copy(update={"schedule": schedule})
    if stage == "pretrain":
        return pretrain
    if stage == "search_train":
        return search_config(pretrain)
    if stage == "finetune":
        short = test_finetune.SHORT
        of_epoch = -(-36 // short.schedule.batch_size)
        schedule = short.schedule.model_copy(update={"epochs": NUM_STEPS / of_epoch})
        return short.model_copy(update={"schedule": schedule})
    if stage == "segment":
        return test_segment.configured(num_steps=NUM_STEPS)
    if stage == "detect":
        return test_detect.configured(num_steps=NUM_STEPS)
    return test_linear_augmented.FEATURES


@pytest.fixture(scope="module")
def inputs(jt, tiny_prepared, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("inputs")
    write_inputs(root, tiny_prepared)
    return root


class Stage:
    """A stage on two ranks, and what is left of it."""

    def __init__(self, stage: str, inputs: Path, output: Path):
        self.stage, self.output = stage, output
        output.mkdir()
        self._values = Job(
            stage=stage, name="hssl-seed3", run={"arm": "hssl", "seed": 3}, runs=[], fingerprint="f",
            code="c", libraries={}, made_with={}, identities={}, lineage={}, work=1.0,
            inputs={name: str(inputs / folder) for name, folder in INPUTS[stage].items()},
            config=config_of(stage).model_dump(mode="json"), output=str(output), runtime={},
        )  # fmt: skip

    @property
    def log(self) -> str:
        return (self.output / "stage.log").read_text(errors="replace")

    @property
    def num_logged(self) -> int:
        return len(read_metrics(self.output / "metrics.jsonl"))

    def started(self, **runtime) -> subprocess.Popen:
        once = {"devices": 2, "device": "cpu", "log_every_steps": 1, "checkpoint_every_minutes": 1e-9}
        job = self.output / "job.json"
        job.write_text(json.dumps(asdict(self._values) | {"runtime": once | runtime}))
        (self.output / log_of_rank(1)).unlink(missing_ok=True)
        command = [sys.executable, "-m", f"stages.{self.stage}", str(job)]
        with open(self.output / "stage.log", "w") as log:
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)

    def disturbed(self, fault: Callable[[int], None], *, starting: bool = False, **runtime) -> str:
        """Run, do something to the second rank, and return what the job said at its end.

        Args:
            starting: not when it trains, but as soon as the rank is there.
        """
        before = self.num_logged

        def is_time() -> bool:
            # Features are extracted in a moment, and leave no trace before the end.
            if starting or self.stage == "features":
                return (self.output / log_of_rank(1)).is_file()
            return self.num_logged > before + 2

        process = self.started(**runtime)
        try:
            wait_until(lambda: is_time() or process.poll() is not None, LIMIT_SECONDS)
            assert process.poll() is None, self.log
            ranks = ranks_below(process.pid)
            assert sorted(ranks) == [0, 1]
            fault(ranks[1])
            assert process.wait(LIMIT_SECONDS) != 0
            wait_until(lambda: not self.processes(), 60)
        finally:
            process.kill()
        assert not (self.output / "stamp.json").exists()
        return self.log

    def processes(self) -> list[str]:
        """What runs and was started with this stage's job: ranks, and who watches them."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(self.output / "job.json") in words:
                found.append(words.replace("\0", " "))
        return found


def no_more_memory(process: int) -> None:
    held = int(Path(f"/proc/{process}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(process, resource.RLIMIT_AS, (held, held))


@pytest.mark.parametrize("stage", INPUTS)
def test_a_rank_that_is_lost_ends_the_stage_and_the_next_run_goes_on(stage, inputs, tmp_path):
    made = Stage(stage, inputs, tmp_path / "out")
    printed = made.disturbed(lambda rank: os.kill(rank, signal.SIGKILL))
    assert "rank 1" in printed
    assert "signal 9" in printed
    printed = made.disturbed(lambda rank: os.kill(rank, signal.SIGSTOP), rank_silence_minutes=SILENCE_MINUTES)
    assert f"rank 1 did not go on for {SILENCE_MINUTES} minutes, and others wait for it: ended" in printed
    # Once it trains it may need no more than it has. Without memory it fails; or it stands still, as was seen
    # once: by its source, Jittor waits for a thread that compiles also where that has ended by an error.
    printed = made.disturbed(no_more_memory, starting=True, rank_silence_minutes=SILENCE_MINUTES)
    assert "rank 1" in printed
    assert made.num_logged < NUM_STEPS
    assert made.started().wait(LIMIT_SECONDS) == 0, made.log
    assert json.loads((made.output / "stamp.json").read_text())["environment"]["ranks"] == 2
    if stage != "features":
        steps = [line["step"] for line in read_metrics(made.output / "metrics.jsonl")]
        assert steps == list(range(1, NUM_STEPS + 1))
