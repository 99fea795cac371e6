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

from pipeline.config.reading import ConfigError, read_experiment  # noqa: E402
from pipeline.datasets.listing import listing_digest  # noqa: E402
from pipeline.graph.code_digest import CodeDigests  # noqa: E402
from pipeline.graph.doit_tasks import stage_tasks  # noqa: E402
from pipeline.graph.execution import bring_up_to_date  # noqa: E402
from pipeline.graph.fingerprints import Graph  # noqa: E402
from pipeline.graph.nodes import experiment_nodes  # noqa: E402
from pipeline.graph.publishing import is_published, link_pictures, publish, tables_of_studies  # noqa: E402
from pipeline.graph.reporter import StageReporter  # noqa: E402
from pipeline.graph.study_nodes import needed, study_nodes  # noqa: E402
from pipeline.graph.subprocesses import StageFailed, end_on_signal, run_in_group  # noqa: E402
from pipeline.storage.artifacts import artifacts_root, listing_memo  # noqa: E402


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
MAIN = experiment_nodes(EXPERIMENT)
GRAPH = Graph(MAIN + study_nodes(EXPERIMENT, MAIN), RESULTS, code=CODE, listing=_listing)
NODES = {node.label: node for node in GRAPH.nodes}
RECORD = partial(GRAPH.record, EXPERIMENT.name, EXPERIMENT.model_dump(mode="json"))
CURRENT_WHEN_CHECKED = set()  # labels; what runs all the same is forced, by `doit run -a`
DOIT_CONFIG = {
    "backend": "sqlite3",  # the only one that two processes at once do not spoil; nothing depends on it
    "dep_file": str(RESULTS / ".doit.db"),
    "default_tasks": ["all"],
    "sort": "definition",  # `doit list` shows the stages in the order in which they run
    "verbosity": 2,
    "reporter": StageReporter.of(EXPERIMENT.name, {*NODES}, tables_of_studies(FOLDER)),
}


def _is_current(label):
    node = NODES[label]
    current = GRAPH.fault(node) is None
    current = current and is_published(node.stage, GRAPH.directory(node), FOLDER, ARGUMENT, name=node.name)
    CODE.save()
    (CURRENT_WHEN_CHECKED.add if current else CURRENT_WHEN_CHECKED.discard)(label)
    return current


def _run(label):
    node, force = NODES[label], label in CURRENT_WHEN_CHECKED
    try:
        show = partial(os.write, 1)
        has_run = bring_up_to_date(GRAPH, node, root=ROOT, force=force, on_start=RECORD, show=show)
        RECORD()
        files = publish(node.stage, GRAPH.directory(node), FOLDER, ARGUMENT, name=node.name)
        if has_run and node.stage == "prepare" and files:
            print(f"look at what was prepared: {', '.join(os.path.relpath(file) for file in files)}")
    except (StageFailed, OSError, ValueError) as error:
        return TaskFailed(str(error))
    return None


def task_all():
    """Run the whole experiment, or what is missing of it, and show its table"""

    def show():
        RECORD()
        link_pictures(GRAPH, MAIN, FOLDER / "pictures")
        print(f"\n{(FOLDER / 'table.txt').read_text(encoding='utf-8')}")
        print(f"every metric, with its protocol: {FOLDER / 'table.md'}")

    return {"actions": [show], "task_dep": ["_checks", *(node.label for node in MAIN)]}


def task_stages():
    """One task per node of the graph, in groups by stage."""
    yield from stage_tasks(GRAPH.nodes, EXPERIMENT.name, run=_run, is_current=_is_current)


def task_plan():
    """Show what `doit run all` would do, why, and about how long it would take; also `plan of=search`"""
    from pipeline.graph.plan import planned

    def show():
        of = doit.get_var("of", "all")
        if of not in ("all", *NODES):
            return TaskFailed(f"of={of}: no such stage in {EXPERIMENT.name}")
        print("\n".join(planned(GRAPH, needed(MAIN if of == "all" else [NODES[of]]))))
        return None

    return {"actions": [show]}


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
    """Measure this machine's speed beside other programs; rows=step,knn repeats=3 profile=yes device=cuda"""

    def measure():
        names = ("rows", "repeats", "profile", "size", "device")
        options = [f"{name}={doit.get_var(name)}" for name in names if doit.get_var(name)]
        command = [sys.executable, "-m", "stages.benchmark", *options]
        # In a group of its own: when doit is ended, the sides that are being measured end too.
        code = run_in_group(command, cwd=ROOT, environment={**os.environ}, show=partial(os.write, 1))
        return TaskFailed("a row of the benchmark failed") if code else None

    return {"actions": [measure]}


def task_gc():
    """Show artifacts that no experiment uses; `doit run gc delete=yes` deletes them"""
    from pipeline.graph.garbage import collect_lines

    delete_them = doit.get_var("delete") == "yes"
    return {"actions": [lambda: print("\n".join(collect_lines(RESULTS, delete_them=delete_them)))]}


def task__checks():
    """Cheap checks of this machine and the data, before anything long"""
    from pipeline.doctor.checks import cheap_checks, failures

    def check():
        said = failures(cheap_checks(EXPERIMENT, RESULTS))
        return TaskFailed("\n".join(said)) if said else None

    return {"actions": [check]}
