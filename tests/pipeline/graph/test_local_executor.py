"""Stages that note what they were given, run two at a time; no card is computed on."""

import json
import os
import threading
from pathlib import Path

import pytest

from pipeline.config.executors import LocalConfig
from pipeline.graph.local_executor import LocalExecutor
from pipeline.graph.stage_command import StageCommand
from pipeline.graph.subprocesses import StageFailed

# Notes its card and threads, that it began, waits for another to begin where it should, and that it ended.
STAGE = """
import json, os, sys, time
from pathlib import Path
job = Path(sys.argv[1])
values = json.loads(job.read_text())
notes = open(job.parents[1] / "notes", "a", buffering=1)
card, threads = os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ["OMP_NUM_THREADS"]
notes.write(json.dumps(["begins", card, threads, values["runtime"]["threads"]]) + "\\n")
end = time.monotonic() + values["waits_seconds"]
while time.monotonic() < end and (job.parents[1] / "notes").read_text().count("begins") < values["until"]:
    time.sleep(0.02)
notes.write(json.dumps(["ends", card]) + "\\n")
job.with_name("stamp.json").touch()
"""
CORES = len(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HSSL_ENVIRONMENT_BEFORE", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "toy.py").write_text(STAGE)
    return tmp_path


def stage_of(place: Path, number: int, until: int = 1, waits: float = 0, **runtime) -> StageCommand:
    runtime = {"device": "auto", "devices": 1, "threads": 0} | runtime
    output = place / f"out{number}"
    output.mkdir()
    job = {"stage": "pretrain", "name": f"{number}", "libraries": {"jittor": "1"}, "runtime": runtime}
    (output / "job.json").write_text(json.dumps(job | {"until": until, "waits_seconds": waits}))
    return StageCommand("toy", output, place, runtime["threads"], lock=None, show=lambda chunk: None)


def ran(place: Path, config: LocalConfig, num_stages: int, until: int, waits: float = 30, **runtime) -> list:
    """What so many stages noted that were started at once."""
    executor = LocalExecutor(config, at_once=num_stages)
    threads = []
    for number in range(num_stages):
        stage = stage_of(place, number, until, waits, **runtime)
        threads.append(threading.Thread(target=executor, args=(stage,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [json.loads(line) for line in (place / "notes").read_text().splitlines()]


def test_two_cards_have_one_stage_each_and_the_third_waits(place):
    config = LocalConfig(devices=("cuda:0", "cuda:1"))
    notes = ran(place, config, 3, until=2)  # two see each other begin
    begun = [note[1] for note in notes if note[0] == "begins"]
    assert sorted(begun[:2]) == ["0", "1"]
    kinds = [note[0] for note in notes]
    assert kinds[:2] == ["begins", "begins"]
    assert kinds.index("ends") < [i for i, kind in enumerate(kinds) if kind == "begins"][2]
    assert kinds.count("ends") == 3


def test_one_card_has_one_stage_at_a_time(place):
    notes = ran(place, LocalConfig(devices=("cuda:3",)), 2, until=2, waits=0.5)
    assert [(note[0], note[1]) for note in notes] == 2 * [("begins", "3"), ("ends", "3")]


def test_the_processor_is_no_card_and_its_cores_are_divided(place):
    notes = ran(place, LocalConfig(devices=("cuda:0",)), 2, until=2, device="cpu")
    share = max(1, CORES // 2)
    assert [note for note in notes if note[0] == "begins"] == 2 * [["begins", None, str(share), share]]


def test_a_number_of_threads_that_the_user_states_is_that_of_each_stage(place):
    notes = ran(place, LocalConfig(), 2, until=2, device="cpu", threads=7)
    assert [note for note in notes if note[0] == "begins"] == 2 * [["begins", None, "7", 7]]


def test_a_stage_that_does_not_compute_in_jittor_takes_no_card(place):
    executor = LocalExecutor(LocalConfig(devices=("cuda:0",)), at_once=1)

    def cards(library: str, device: str, stage: str = "linear", kernels: str = "fused") -> tuple[int, ...]:
        runtime = {"device": device, "devices": 1, "threads": 0, "kernels": kernels}
        return executor._cards_for({"stage": stage, "libraries": {library: "1"}, "runtime": runtime})

    assert cards("numpy", "auto") == ()
    assert cards("jittor", "auto") == (0,)
    # k-NN computes on a card by itself.
    assert cards("numpy", "auto", "knn") == (0,)
    assert cards("numpy", "cpu", "knn") == cards("numpy", "auto", "knn", "plain") == ()
    # The card that the user names is waited for, also where the pool does not have it.
    assert cards("jittor", "cuda:2") == (2,)


def test_a_card_named_twice_is_refused():
    with pytest.raises(ValueError, match="expected every card once, found cuda:0 2 times"):
        LocalConfig(devices=("cuda:0", "cuda:0"))


def test_ranks_get_a_card_each_and_other_stages_of_the_experiment_one(place):
    config = LocalConfig(devices=("cuda:0", "cuda:2", "cuda:5"))
    notes = ran(place, config, 1, until=1, devices=2, device="cuda")
    assert notes[0][:2] == ["begins", "0,2"]
    executor = LocalExecutor(config, at_once=1)
    assert executor._cards_for({"libraries": {"jittor": "1"}, "runtime": {"device": "cuda"}}) == (0, 2, 5)


def test_more_ranks_than_cards_to_share_are_refused(place):
    with pytest.raises(StageFailed, match=r"a card for each of 2 ranks .*, found 1 to share"):
        LocalExecutor(LocalConfig(devices=("cuda:0",)), at_once=1)(stage_of(place, 0, devices=2))
