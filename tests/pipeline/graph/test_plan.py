import json
import os

import pytest

from pipeline.config.experiment import Experiment
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.fingerprints import Graph
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.plan import in_words, plan, plan_lines
from pipeline.storage.artifacts import artifacts_root, locked

STAGES = ("prepare", "initialize", "pretrain", "curves", "features", "knn", "linear", "logistic", "tables")


@pytest.fixture
def make(tmp_path):
    (tmp_path / "stages").mkdir()
    for stage in STAGES:
        (tmp_path / "stages" / f"{stage}.py").write_text("")

    def graph(listing="l", **changes) -> Graph:
        experiment = Experiment.model_validate({"name": "e", **changes})
        code = CodeDigests(tmp_path)
        return Graph(
            experiment_nodes(experiment), tmp_path / "results", code=code, listing=lambda config: listing
        )

    return graph


def finish(graph, seconds=10.0):
    """Stamp every node as if it had run."""
    for node in graph.nodes:
        directory = graph.directory(node)
        directory.mkdir(parents=True, exist_ok=True)
        code = graph.code_of(node)
        stamp = {
            "stage": node.stage, "name": node.name, "fingerprint": graph.fingerprint(node),
            "config": node.config.model_dump(mode="json"), "code": code, "libraries": graph.libraries(node),
            "inputs": graph.identities(node), "lineage": graph.lineage(node), "outputs": {},
            "content": "same",
            "work": node.work, "seconds": seconds, "started": "2024-01-01",
        }  # fmt: skip
        (directory / "stamp.json").write_text(json.dumps(stamp))


def test_nothing_is_known_after_prepare_before_it_ran(make):
    graph = make()
    steps = plan(graph)
    assert [step.label for step in steps] == [node.label for node in graph.nodes]
    assert steps[0].reasons == ("never run",)
    assert {step.reasons for step in steps[1:]} == {("waits for prepare",)}
    assert plan_lines(steps, 19)[-1] == "19 of 19 stages would run, of unknown duration"


def test_a_finished_graph_has_nothing_to_do(make):
    finish(make())
    assert plan_lines(plan(make()), 19) == ["nothing to do"]


def test_a_changed_option_is_named_with_both_values_and_time_scales_with_work(make):
    finish(make())
    steps = {step.label: step for step in plan(make(schedule={"epochs": 200}))}
    assert steps["pretrain:hssl-seed0"].reasons == ("schedule.epochs 100.0 -> 200.0",)
    assert steps["features:hssl-seed0"].reasons == ("input changed: backbone", "reads pretrain:hssl-seed0")
    assert "features:random-seed0" not in steps
    # Paces are measured per unit of work: the median of ibot's and hssl's, for twice the work of each.
    assert steps["pretrain:ibot-seed0"].seconds + steps["pretrain:hssl-seed0"].seconds == pytest.approx(
        40, rel=0.05
    )


def test_a_stage_that_is_being_made_is_told_from_one_that_was_interrupted(make):
    graph = make()
    finish(graph)
    directory = graph.directory(graph.nodes[-1])
    (directory / "stamp.json").unlink()
    (directory / "job.json").write_text("{}")
    assert plan(graph)[0].reasons == ("interrupted",)
    with locked(directory):
        (said,) = plan(graph)[0].reasons
    assert said.startswith(f"is being made by process {os.getpid()} on ")


def test_equal_data_prepared_again_leave_the_rest_alone(make):
    finish(make())
    assert plan(make(listing="touched"))[0].reasons == ("the source's files changed",)
    graph = make(listing="touched")
    (prepared,) = (artifacts_root(graph.results) / "prepare").glob("*/")
    stamp = json.loads((prepared / "stamp.json").read_text())
    directory = graph.directory(graph.nodes[0])
    directory.mkdir()
    stamp["fingerprint"] = graph.fingerprint(graph.nodes[0])
    (directory / "stamp.json").write_text(json.dumps(stamp))
    assert plan(graph) == []


def test_a_probe_setting_concerns_the_probe_and_the_table(make):
    finish(make())
    labels = [step.label for step in plan(make(knn={"ks": [5]}))]
    assert labels == ["knn:random-seed0", "knn:ibot-seed0", "knn:hssl-seed0", "tables"]


def test_runtime_changes_nothing(make):
    finish(make())
    assert plan(make(runtime={"threads": 1, "device": "cpu"})) == []


def test_a_further_seed_adds_its_own_nodes(make):
    finish(make())
    steps = plan(make(seeds=[0, 1]))
    assert {step.label.rpartition("-")[2] for step in steps if step.label != "tables"} == {"seed1"}


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.01, "< 0.1 s"), (0.44, "0.4 s"), (61, "61 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_durations(seconds, words):
    assert in_words(seconds) == words


def test_a_pretraining_that_never_ran_is_estimated_by_the_benchmark(make):
    graph = make()
    graph.results.mkdir(exist_ok=True)
    entries = [{"name": "step-vit-small", "flops": 1e12, "gflops": 100.0}]
    (graph.results / "benchmark.json").write_text(json.dumps(entries))
    steps = {step.label: step for step in plan(graph)}
    hssl, ibot = steps["pretrain:hssl-seed0"], steps["pretrain:ibot-seed0"]
    assert hssl.benchmarked
    assert hssl.seconds > ibot.seconds > 3600  # 100 epochs of 4000 images at 224 pixels
    assert steps["knn:hssl-seed0"].seconds is None
    (line,) = [line for line in plan_lines([hssl], 1) if line.startswith("pretrain")]
    assert "waits for prepare; time by the benchmark's rate" in line
    finish(make())
    again = {step.label: step for step in plan(make(schedule={"epochs": 200}))}
    assert not again["pretrain:hssl-seed0"].benchmarked  # an earlier run knows better


def test_columns_align_whatever_the_names_are(make):
    steps = plan(make())
    *lines, _ = plan_lines(steps, len(steps))
    assert len({line.index(" ? ") for line in lines}) == 1
