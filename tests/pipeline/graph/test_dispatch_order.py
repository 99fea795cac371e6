"""Stages that are ready start in an order that keeps every core busy to the end."""

from doit.cmd_base import ModuleTaskLoader

from pipeline.graph.dispatch_order import rank
from pipeline.graph.doit_commands import Run
from pipeline.graph.node import STAGES


def started(tasks: dict[str, list[str]]) -> list[str]:
    """Names in the order in which `doit run all` starts tasks, given with what each waits for."""
    names: list[str] = []

    def start(name: str) -> None:
        names.append(name)

    dodo = {"DOIT_CONFIG": {"backend": "sqlite3", "dep_file": ":memory:", "verbosity": 0}}
    for group in dict.fromkeys(name.partition(":")[0] for name in tasks):

        def generate(group=group):
            for name, awaited in tasks.items():
                of, _, run = name.partition(":")
                if of == group:
                    action = [(start, [name])]
                    task = {"actions": action, "task_dep": awaited}
                    yield {"basename": of, "name": run, **task} if run else {"basename": of, **task}

        dodo[f"task_{group}"] = generate
    assert Run(task_loader=ModuleTaskLoader(dodo)).parse_execute(["all"]) == 0
    return names


def test_what_takes_longest_starts_first_once_it_is_ready():
    evaluations = ["curves:a", "knn:a", "linear:a", "detect:a", "segment:a"]
    tasks = {
        **{name: ["pretrain:a"] for name in evaluations},
        "report": evaluations,
        "pretrain:a": ["prepare"],
        "prepare": ["_checks"],
        "_checks": [],
        "all": ["_checks", *evaluations, "report"],
    }
    found = started(tasks)
    assert found[:6] == ["_checks", "prepare", "pretrain:a", "detect:a", "segment:a", "linear:a"]
    assert set(found[6:8]) == {"knn:a", "curves:a"}
    assert found[8:] == ["report", "all"]


def test_ranks_are_of_stages_that_exist():
    ranked = [stage for stage in STAGES if rank(stage) < rank("report")]
    assert sorted(rank(stage) for stage in ranked) == list(range(rank("report")))
    assert rank("trials:batch-64:segment:linear-frozen-ibot-seed0") == rank("segment") < rank("linear")
