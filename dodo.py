"""The graph as doit tasks: order and names. What is current is decided by stamps alone."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import doit
from doit.exceptions import TaskFailed

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results"
sys.path.insert(0, str(ROOT))

from pipeline.artifacts import artifacts_root, listing_memo  # noqa: E402
from pipeline.code_digest import CodeDigests  # noqa: E402
from pipeline.config.reading import ConfigError, read_experiment  # noqa: E402
from pipeline.datasets.listing import listing_digest  # noqa: E402
from pipeline.execution import bring_up_to_date  # noqa: E402
from pipeline.graph import Graph  # noqa: E402
from pipeline.nodes import STAGES, experiment_nodes  # noqa: E402
from pipeline.publishing import is_published, link_pictures, publish_tables  # noqa: E402
from pipeline.reporter import StageReporter  # noqa: E402
from pipeline.subprocesses import StageFailed, end_on_signal  # noqa: E402


def _experiment():
    """What the command line names, and its experiment; a path is meant from where the user stands."""
    name = doit.get_var("experiment", "quickstart")
    path = Path(doit.get_initial_workdir() or ".", Path(name).expanduser())
    argument = str(path) if path.is_file() else name
    try:
        return argument, read_experiment(argument)
    except ConfigError as error:
        raise SystemExit(str(error)) from None


def _listing(config):
    return listing_digest(config, listing_memo(RESULTS, config.source))


RESULTS.mkdir(exist_ok=True)
end_on_signal()
ARGUMENT, EXPERIMENT = _experiment()
FOLDER = RESULTS / EXPERIMENT.name
CODE = CodeDigests(ROOT, artifacts_root(RESULTS) / ".code_digests.json")
GRAPH = Graph(experiment_nodes(EXPERIMENT), RESULTS, code=CODE, listing=_listing)
NODES = {node.label: node for node in GRAPH.nodes}
RECORD = partial(GRAPH.record, EXPERIMENT.name, EXPERIMENT.model_dump(mode="json"))
CURRENT_WHEN_CHECKED = set()  # labels; what runs all the same is forced, by `doit run -a`
DOIT_CONFIG = {
    "backend": "sqlite3",  # the only one that two processes at once do not spoil; nothing depends on it
    "dep_file": str(RESULTS / ".doit.db"),
    "default_tasks": ["all"],
    "sort": "definition",  # `doit list` shows the stages in the order in which they run
    "verbosity": 2,
    "reporter": type("Reporter", (StageReporter,), {"experiment": EXPERIMENT.name, "stages": {*NODES}}),
}


def _is_current(label):
    node = NODES[label]
    current = GRAPH.fault(node) is None
    current = current and (node.stage != "tables" or is_published(GRAPH.directory(node), FOLDER))
    CODE.save()
    (CURRENT_WHEN_CHECKED.add if current else CURRENT_WHEN_CHECKED.discard)(label)
    return current


def _run(label):
    node, force = NODES[label], label in CURRENT_WHEN_CHECKED
    try:
        bring_up_to_date(GRAPH, node, root=ROOT, force=force, on_start=RECORD, show=partial(os.write, 1))
        RECORD()
        if node.stage == "tables":
            publish_tables(GRAPH.directory(node), FOLDER)
    except (StageFailed, OSError, ValueError) as error:
        return TaskFailed(str(error))
    return None


def task_all():
    """Run the whole experiment, or what is missing of it, and show its table"""

    def show():
        RECORD()
        link_pictures(GRAPH, GRAPH.nodes, FOLDER / "pictures")
        print(f"\n{(FOLDER / 'table.txt').read_text(encoding='utf-8')}")
        print(f"every metric, with its protocol: {FOLDER / 'table.md'}")

    return {"actions": [show], "task_dep": ["_checks", *NODES]}


def task_stages():
    """One task per node of the graph, in groups by stage."""
    for stage, title in STAGES.items():
        nodes = [node for node in GRAPH.nodes if node.stage == stage]
        current = [(_is_current, [node.label]) for node in nodes]
        if [node.name for node in nodes] != [""]:
            doc = title if nodes else f"(no part of this experiment) {title}"
            yield {"basename": stage, "name": None, "doc": doc, "uptodate": current or [True]}
        for node in nodes:
            words = f"  {node.name.replace('-seed', ', seed ')}"
            yield {
                "basename": stage,
                **({"name": node.name, "doc": words} if node.name else {"doc": title}),
                "actions": [(_run, [node.label])],
                "uptodate": [(_is_current, [node.label])],
                "task_dep": list(dict.fromkeys(upstream.label for upstream in node.inputs.values())),
            }


def task_plan():
    """Show what `doit run all` would do, why, and about how long it would take"""
    from pipeline.plan import plan, plan_lines

    return {"actions": [lambda: print("\n".join(plan_lines(plan(GRAPH), len(NODES))))]}


def task_config():
    """Show the resolved experiment: every option with its value"""
    return {"actions": [lambda: print(json.dumps(EXPERIMENT.model_dump(mode="json"), indent=2))]}


def task_doctor():
    """Show what this machine has, what is missing, and the remedy"""

    def examine():
        code = subprocess.call([sys.executable, "-m", "stages.doctor", ARGUMENT], cwd=ROOT)
        return TaskFailed("what is marked FAILED would stop a run") if code else None

    return {"actions": [examine]}


def task_benchmark():
    """Measure this machine's speed beside other programs; rows=step,knn repeats=3 profile=yes"""

    def measure():
        names = ("rows", "repeats", "profile", "size")
        options = [f"{name}={doit.get_var(name)}" for name in names if doit.get_var(name)]
        code = subprocess.call([sys.executable, "-m", "stages.benchmark", *options], cwd=ROOT)
        return TaskFailed("a row of the benchmark failed") if code else None

    return {"actions": [measure]}


def task_gc():
    """Show artifacts that no experiment uses; `doit run gc delete=yes` deletes them"""
    from pipeline.collect import collect_lines

    delete_them = doit.get_var("delete") == "yes"
    return {"actions": [lambda: print("\n".join(collect_lines(RESULTS, delete_them=delete_them)))]}


def task__checks():
    """Cheap checks of this machine and the data, before anything long"""
    from pipeline.doctor import cheap_checks, failures

    def check():
        said = failures(cheap_checks(EXPERIMENT, RESULTS))
        return TaskFailed("\n".join(said)) if said else None

    return {"actions": [check]}
