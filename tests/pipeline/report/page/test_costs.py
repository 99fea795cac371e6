import json

from pipeline.report.page.costs import StageCost, machines, stage_costs
from pipeline.storage.runs import Run, RunKey

EPYC = {"processor": "AMD EPYC", "platform": "Linux-6", "python": "3.11.7", "git_commit": "abc", "card": None}


def a_run(folder, stage, seed, seconds, **environment):
    directory = folder / f"{stage}-{seed}"
    directory.mkdir(exist_ok=True)
    stamp = {"outputs": {}, "seconds": seconds, "environment": EPYC | environment}
    (directory / "stamp.json").write_text(json.dumps(stamp))
    return Run(stage, RunKey(seed=seed), directory)


def test_runs_of_a_stage_are_added_up_and_what_seeds_share_counts_once(tmp_path):
    first = a_run(tmp_path, "knn", 0, 2.0, threads=2, device="cpu", peak_memory_bytes=3 * 2**20)
    second = a_run(tmp_path, "knn", 1, 3.0, threads=4, device="cpu", peak_memory_bytes=5 * 2**20)
    shared = Run("knn", RunKey(seed=2), first.directory)
    trained = a_run(tmp_path, "pretrain", 0, 10.0, threads=2, ranks=3, device="cuda", card="NVIDIA H100")
    assert stage_costs([first, second, shared, trained]) == [
        StageCost("knn", 2, 5.0, 16.0, "cpu", 5.0),
        StageCost("pretrain", 1, 10.0, 60.0, "NVIDIA H100", 0.0),
    ]


def test_each_machine_is_named_once(tmp_path):
    runs = [a_run(tmp_path, "knn", seed, 1.0) for seed in (0, 1)]
    runs.append(a_run(tmp_path, "pretrain", 0, 1.0, card="NVIDIA H100", git_commit=None))
    assert machines(runs) == [
        "AMD EPYC, Linux-6, Python 3.11.7, commit abc",
        "AMD EPYC, NVIDIA H100, Linux-6, Python 3.11.7",
    ]


def test_an_artifact_of_an_older_version_has_no_machine(tmp_path):
    run = a_run(tmp_path, "knn", 0, 1.0)
    (run.directory / "stamp.json").write_text('{"outputs": {}, "seconds": 4.0}')
    assert (machines([run]), stage_costs([run])[0].seconds) == ([], 4.0)
