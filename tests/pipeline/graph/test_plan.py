import json
import os

import pytest

from pipeline.config.experiment import Experiment
from pipeline.costs.forecast import COMPILE_SECONDS
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.fingerprints import Graph
from pipeline.graph.forecasts import Forecasts
from pipeline.graph.node import STAGES as GRAPH_STAGES
from pipeline.graph.node import program
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.plan import duration_text, elapsed, plan_lines
from pipeline.graph.plan import plan as plan_by
from pipeline.graph.study_nodes import study_nodes
from pipeline.storage.artifacts import artifacts_root, locked

STAGES = (
    "prepare", "initialize", "pretrain", "curves", "features", "knn", "linear", "logistic",
    "views", "duplicates", "tables", "report",
)  # fmt: skip


def plan(graph, *, core=True, operators=True):
    """On a machine of 130 GFLOP/s whose cache holds compiled code, or does not."""

    def forecasts(of):
        return Forecasts(of, rate=lambda threads: 130e9, compiled=(core, operators))

    return plan_by(graph, forecasts=forecasts)


@pytest.fixture
def make(tmp_path):
    (tmp_path / "stages").mkdir()
    for stage in STAGES:
        (tmp_path / "stages" / f"{program(stage)}.py").write_text("")

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
        finish_one(graph, node, seconds)


def finish_one(graph, node, seconds=10.0, content="same"):
    """Stamp a node as if it had run."""
    directory = graph.directory(node)
    directory.mkdir(parents=True, exist_ok=True)
    code = graph.code_of(node)
    stamp = {
        "stage": node.stage, "name": node.name, "fingerprint": graph.fingerprint(node),
        "config": node.config.model_dump(mode="json"), "code": code, "libraries": graph.libraries(node),
        "inputs": graph.identities(node), "lineage": graph.lineage(node), "outputs": {},
        "content": content,
        "work": node.work, "seconds": seconds, "started": "2024-01-01",
    }  # fmt: skip
    (directory / "stamp.json").write_text(json.dumps(stamp))


def once_prepared(graph, **counts) -> float:
    """The forecast of a pretraining as if the images had been prepared."""
    directory = graph.directory(graph.nodes[0])
    directory.mkdir(parents=True)
    summary = {"counts": counts, "class_names": ["a", "b"]}
    (directory / "summary.json").write_text(json.dumps(summary))
    node = next(node for node in graph.nodes if node.label == "pretrain:hssl-seed0")
    return Forecasts(graph, rate=lambda threads: 130e9, compiled=(True, True)).seconds(node)


def test_nothing_is_known_after_prepare_before_it_ran(make):
    graph = make()
    steps = plan(graph)
    assert [step.label for step in steps] == [node.label for node in graph.nodes]
    assert steps[0].reasons == ("never run",)
    assert {step.reasons for step in steps[1:]} == {("waits for prepare",)}
    assert all(step.forecast for step in steps)
    hours = sum(step.seconds for step in steps) / 3600
    assert plan_lines(steps, 23)[-1] == f"23 of 23 stages would run, about {hours:.1f} h"


def test_images_of_others_are_counted_before_anything_is_forecast(make, tmp_path):
    graph = make(data={"source": str(tmp_path)})
    steps = {step.label: step for step in plan(graph)}
    known = {label for label, step in steps.items() if step.seconds is not None}
    assert known == {"initialize:random-seed0", "curves:ibot-seed0", "curves:hssl-seed0", "tables", "report"}
    *lines, closing = plan_lines(list(steps.values()), len(steps))
    assert lines[0].split()[:2] == ["prepare:images", "-"]
    assert closing.endswith("and 18 stages of unknown duration")
    pretraining = once_prepared(graph, train=4000, val=800, test=1600)
    drawn = {step.label: step for step in plan(make())}["pretrain:hssl-seed0"].seconds
    assert pretraining == pytest.approx(drawn)  # as many as are drawn


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


def test_the_pace_of_other_images_says_nothing(make):
    """A pretraining of 2,000 s on other images: an epoch there is no epoch here."""
    finish(make(), seconds=2000.0)
    other = make(listing="other images")
    directory = other.directory(other.nodes[0])
    directory.mkdir(parents=True)
    summary = {"counts": {"train": 64, "val": 8, "test": 8}, "class_names": ["a", "b"]}
    (directory / "summary.json").write_text(json.dumps(summary))
    finish_one(other, other.nodes[0], content="others")
    steps = {step.label: step for step in plan(other)}
    node = next(node for node in other.nodes if node.label == "pretrain:hssl-seed0")
    forecast = Forecasts(other, rate=lambda threads: 130e9, compiled=(True, True)).seconds(node)
    assert (steps[node.label].seconds, steps[node.label].forecast) == (forecast, True)


def test_of_a_long_text_it_is_said_only_that_it_changed(make):
    finish(make())
    steps = {step.label: step for step in plan(make(knn={"temperature": 0.1}))}
    assert "settings changed" in steps["report"].reasons
    assert not [reason for reason in steps["report"].reasons if "\n" in reason]


def test_a_stage_that_is_being_made_is_told_from_one_that_was_interrupted(make):
    graph = make()
    finish(graph)
    directory = graph.directory(graph.nodes[-1])
    (directory / "stamp.json").unlink()
    (directory / "job.json").write_text("{}")
    assert plan(graph)[0].reasons == ("interrupted",)
    with locked(directory):
        (reason,) = plan(graph)[0].reasons
    assert reason.startswith(f"is being made by process {os.getpid()} on ")


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
    assert labels == ["knn:random-seed0", "knn:ibot-seed0", "knn:hssl-seed0", "tables", "report"]


def test_runtime_changes_nothing(make):
    finish(make())
    assert plan(make(runtime={"threads": 1, "device": "cpu"})) == []


def test_a_further_seed_adds_its_own_nodes(make):
    finish(make())
    steps = plan(make(seeds=[0, 1]))
    own = [step.label for step in steps if step.label not in ("tables", "report")]
    assert {label.rpartition("-")[2] for label in own} == {"seed1"}


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.01, "< 0.1 s"), (0.44, "0.4 s"), (61, "61 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_durations(seconds, words):
    assert duration_text(seconds) == words


def test_an_earlier_run_knows_better_than_a_forecast(make):
    first = {step.label: step for step in plan(make())}
    hssl, ibot = first["pretrain:hssl-seed0"], first["pretrain:ibot-seed0"]
    assert hssl.seconds > ibot.seconds > 3600  # 100 epochs of 4000 images at 224 pixels
    (line,) = [line for line in plan_lines([hssl], 1) if line.startswith("pretrain")]
    assert line.endswith("waits for prepare; time is a forecast")
    finish(make())
    again = {step.label: step for step in plan(make(schedule={"epochs": 200}))}["pretrain:hssl-seed0"]
    assert not again.forecast
    assert again.seconds < 60


def test_the_first_stage_of_a_kind_compiles(make):
    def seconds(core, operators):
        return {step.label: step.seconds for step in plan(make(), core=core, operators=operators)}

    warm, cold, no_operators = seconds(True, True), seconds(False, False), seconds(True, False)
    more = {label: round(cold[label] - warm[label]) for label in cold if cold[label] != warm[label]}
    assert more == {
        "initialize:random-seed0": COMPILE_SECONDS["core"],
        "pretrain:ibot-seed0": COMPILE_SECONDS["pretrain"],
    }
    assert sum(no_operators.values()) == pytest.approx(sum(warm.values()) + COMPILE_SECONDS["pretrain"])


def test_every_stage_of_every_kind_has_a_time_or_none(tmp_path):
    """With all sections and the studies: a stage that was never measured has no time, and is no error."""
    (tmp_path / "stages").mkdir()
    for stage in GRAPH_STAGES:
        (tmp_path / "stages" / f"{program(stage)}.py").write_text("")
    sections = {
        "segmentation": {}, "detection": {}, "dense_probe": {}, "finetune": {}, "label_shares": [1.0, 0.1],
        "ablate": {"product": {"depth": [1, 2]}},
    }  # fmt: skip
    experiment = Experiment.model_validate({"name": "e", **sections})
    main = experiment_nodes(experiment)
    nodes = main + study_nodes(experiment, main)
    graph = Graph(nodes, tmp_path / "results", code=CodeDigests(tmp_path), listing=lambda config: "l")
    steps = plan(graph)
    stages = {node.label: node.stage for node in nodes}
    without = {stages[step.label] for step in steps if step.seconds is None}
    assert without == {"subset", "ablate", "search-train", "search", "search-validate"}
    seconds = {step.label: step.seconds for step in steps}
    assert seconds["knn:10pct-hssl-seed0"] < seconds["knn:hssl-seed0"]
    assert seconds["finetune:10pct-hssl-seed0"] == pytest.approx(seconds["finetune:hssl-seed0"] / 10, rel=0.1)


def test_a_card_s_time_is_not_forecast(make):
    graph = make(runtime={"device": "cuda"})
    known = {step.label.partition(":")[0] for step in plan(graph) if step.seconds is not None}
    assert known == {"prepare", "curves", "linear", "logistic", "duplicates", "tables", "report"}


def test_columns_align_whatever_the_names_are(make):
    steps = plan(make())
    *lines, _ = plan_lines(steps, len(steps))
    assert len({line.index("never run" if "never run" in line else "waits for") for line in lines}) == 1


def test_stages_at_once_share_the_time_but_for_the_longest():
    assert elapsed([60, 60, 60], 1) == "3 min"
    assert elapsed([60, 60, 60], 2) == "90 s, 2 stages at once"
    assert elapsed([100, 10], 4) == "100 s, 4 stages at once"
    assert elapsed([], 2) == "< 0.1 s, 2 stages at once"
