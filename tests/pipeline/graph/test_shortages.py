"""Too little memory or disk is said before a stage starts; what would fit is never refused."""

import json

import pytest

from pipeline.config.experiment import Experiment
from pipeline.costs.available import Available
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.fingerprints import Graph
from pipeline.graph.node import program
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.shortages import Shortages

GIB = 2**30
STAGES = (
    "prepare", "initialize", "pretrain", "curves", "features", "knn", "linear", "logistic",
    "views", "duplicates", "tables", "report",
)  # fmt: skip


@pytest.fixture
def graph(tmp_path) -> Graph:
    """Of ViT-S at 224 pixels and batches of 256, on the processor; prepared."""
    (tmp_path / "stages").mkdir()
    for stage in STAGES:
        (tmp_path / "stages" / f"{program(stage)}.py").write_text("")
    sections = {"name": "e", "arms": ["random", "ibot"], "baseline": "random", "seeds": [0, 1]}
    experiment = Experiment.model_validate(sections | {"runtime": {"device": "cpu"}})
    made = Graph(
        experiment_nodes(experiment), tmp_path / "results", code=CodeDigests(tmp_path),
        listing=lambda config: "l",
    )  # fmt: skip
    stamp(made, made.nodes[0])
    return made


def node_of(graph, label):
    return next(node for node in graph.nodes if node.label == label)


def stamp(graph, node, *, peak=0, outputs=0, **changes):
    directory = graph.directory(node)
    directory.mkdir(parents=True)
    values = {
        "stage": node.stage, "fingerprint": graph.fingerprint(node), "name": node.name, "content": "images",
        "config": node.config.model_dump(mode="json"), "lineage": graph.lineage(node),
        "outputs": {"a": {"size": outputs}} if outputs else {}, "environment": {"peak_memory_bytes": peak},
    }  # fmt: skip
    (directory / "stamp.json").write_text(json.dumps(values | changes))


def before(graph, label, memory=1000 * GIB, disk=1000 * GIB, by="available on this machine"):
    shortages = Shortages(
        graph, lambda: Available(int(memory), by), lambda folder: Available(int(disk), "free at r")
    )
    return shortages.before(node_of(graph, label))


def test_too_little_memory_is_one_line_with_both_figures_and_a_key(graph):
    (line,) = before(graph, "pretrain:ibot-seed0", 6 * GIB, by="allowed by RLIMIT_AS (ulimit -v)")
    assert line.startswith("pretrain:ibot-seed0: needs at least ")
    needed = float(line.split("at least ")[1].split(" GiB")[0])
    assert 17.3 < needed < 18.5  # 512 crops x 12 blocks x 197 tokens x 10 x 384 float32, and the weights
    assert line.endswith(
        "6.0 GiB are allowed by RLIMIT_AS (ulimit -v). Remedy: raise schedule.accumulation_steps"
    )
    assert before(graph, "pretrain:ibot-seed0", (needed + 0.1) * GIB) == []


def test_a_limit_of_addresses_that_ends_the_report_is_said_before_the_first_stage(graph):
    def lines(allowed):
        plenty = lambda *folder: Available(1000 * GIB, "free")  # noqa: E731
        shortages = Shortages(graph, plenty, plenty, lambda: allowed)
        assert shortages.before(node_of(graph, "tables")) == []
        assert shortages.before(node_of(graph, "report")) == shortages.before_all(graph.nodes)
        return shortages.before_all(graph.nodes)

    (line,) = lines(6 * GIB)
    assert line == (
        "report: draws with 128 GiB of address space, which is not memory; 6.0 GiB are allowed by RLIMIT_AS. "
        "Remedy: `ulimit -v unlimited`, or another job; or `doit run tables`, for all but the report"
    )
    assert lines(128 * GIB) == lines(float("inf")) == []


def test_where_the_weights_alone_do_not_fit_the_remedy_is_a_smaller_base(graph):
    (line,) = before(graph, "pretrain:ibot-seed0", 0.1 * GIB)
    assert line.endswith("Remedy: a smaller backbone.size")


def test_stages_of_which_nothing_is_known_are_not_refused(graph):
    assert [before(graph, label, 1, 0) for label in ("knn:ibot-seed0", "curves:ibot-seed0", "report")] == [
        []
    ] * 3


def test_another_seed_tells_what_a_stage_takes(graph):
    stamp(graph, node_of(graph, "pretrain:ibot-seed1"), peak=200 * GIB, outputs=3 * GIB)
    label = "pretrain:ibot-seed0"
    assert before(graph, label, 101 * GIB) == []  # the other half may have been pages of files
    (line,) = before(graph, label, 99 * GIB)
    assert line.startswith(f"{label}: took 200.0 GiB of memory the last time, 99.0 GiB are available")
    assert before(graph, label, disk=3 * GIB) == []
    (line,) = before(graph, label, disk=2.9 * GIB)
    assert "needs at least 3.0 GiB of disk, 2.9 GiB are free at r. Remedy: free some space" in line


@pytest.mark.parametrize(
    "changes", [{"lineage": {"data": "others"}}, {"config": {"seed": 1}}, {"environment": {}, "outputs": {}}]
)
def test_runs_on_other_images_or_settings_tell_nothing(graph, changes):
    stamp(graph, node_of(graph, "pretrain:ibot-seed1"), peak=200 * GIB, **changes)
    assert before(graph, "pretrain:ibot-seed0", 99 * GIB) == []


def test_what_is_there_already_needs_no_room(graph):
    node = node_of(graph, "pretrain:ibot-seed0")
    stamp(graph, node_of(graph, "pretrain:ibot-seed1"), outputs=3 * GIB)
    graph.directory(node).mkdir(parents=True)
    with open(graph.directory(node) / "checkpoint.safetensors", "wb") as stream:
        stream.truncate(2 * GIB)  # a hole: no bytes are written
    assert before(graph, node.label, disk=GIB) == []


def test_a_run_is_refused_before_its_first_stage_by_the_disk_that_all_need(graph):
    stamp(graph, node_of(graph, "pretrain:ibot-seed1"), outputs=3 * GIB)
    told = Shortages(graph, lambda: Available(1000 * GIB, ""), lambda folder: Available(2 * GIB, "free at r"))
    lines = told.before_all(graph.nodes)
    assert len(lines) == 1
    assert lines[0].startswith("the whole run: needs at least 6.")  # of two seeds


def test_on_a_card_its_memory_is_not_this_one(graph, monkeypatch):
    monkeypatch.setattr("pipeline.graph.shortages.on_processor", lambda runtime: False)
    assert before(graph, "pretrain:ibot-seed0", 0.1 * GIB) == []
