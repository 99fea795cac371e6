"""Actions of dodo.py's commands: all, plan, doctor, gc, verify and others."""

import json
import subprocess
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from itertools import chain
from pathlib import Path

import doit
from doit.cmd_base import ModuleTaskLoader
from doit.cmd_run import Run
from doit.cmdparse import CmdParseError
from doit.doit_cmd import DoitMain
from doit.exceptions import TaskFailed

from pipeline.graph.doit_tasks import Task, failing, refused_in_one_line
from pipeline.graph.early_core import compile_if_needed
from pipeline.graph.executors import Executor, runs_here
from pipeline.graph.experiment_graph import OUTPUT, ExperimentGraph
from pipeline.graph.printable import printable
from pipeline.graph.publishing import link_pictures
from pipeline.graph.study_nodes import needed
from pipeline.graph.sweep import TRIALS, Sweep

_NOT_UNDERSTOOD = 3  # doit's own exit code for it
_COMMANDS = {command.get_name() for command in DoitMain.DOIT_CMDS}  # any other word is a task


@cache  # doit looks through all installed packages for plugins before it parses
def _parsed(arguments: tuple[str, ...]) -> tuple[list[str], bool] | None:
    """Names of tasks, and whether what is current shall run too; None: as `named_tasks` has it."""
    given = list(arguments[1:] if arguments[:1] == ("run",) else arguments)
    try:
        options, named = Run(task_loader=ModuleTaskLoader({})).cmdparser.parse(given)
    except CmdParseError:
        return None
    return [name for name in named if "=" not in name], options["always"]


def named_tasks(arguments: Sequence[str]) -> list[str] | None:
    """The tasks named in doit's arguments; None for another command, or options that doit itself refuses."""
    parsed = _parsed(tuple(arguments))
    return parsed and parsed[0]


def asks_for_the_missing(arguments: Sequence[str]) -> bool:
    """Whether they ask for `all` and nothing else, and for no stage that is current."""
    parsed = _parsed(tuple(arguments))
    return parsed is not None and not parsed[1] and set(parsed[0]) <= {"all"}


def refuse_unknown_task(arguments: Sequence[str], labels: Sequence[str], tasks: Sequence[str]) -> None:
    """Refuse unknown names of tasks; doit refuses them too, but without a suggestion.

    Args:
        arguments: of doit.
        labels: names of the stages' runs, such as "knn:hssl-seed0".
        tasks: all other names.

    Raises:
        SystemExit: there is no such task; one line on stderr names it and the most similar one.
    """
    first = next((argument for argument in arguments if "=" not in argument), "")
    if first != "run" and (not first or first.startswith("-") or first in _COMMANDS):
        return
    groups = {label.partition(":")[0] for label in labels}
    known = {*labels, *groups, *tasks}
    given = [argument for argument in arguments if "=" not in argument or argument.startswith("-")]
    for name in named_tasks(given) or ():
        if name in known or "*" in name:
            continue
        # Options are doit's to check; and the trials of a search are not known yet.
        if name.startswith("-") or name.partition(":")[0] == TRIALS:
            return
        near = get_close_matches(name, known, 1)
        meant = f"did you mean {near[0]}?" if near else "`doit list --all` shows what there is"
        print(f"{printable(name)}: no such command or stage; {meant}", file=sys.stderr)
        raise SystemExit(_NOT_UNDERSTOOD)


def all_task(project: ExperimentGraph) -> Task:
    """Runs every stage of the experiment; then shows its table."""

    def show() -> None:
        project.record()
        link_pictures(project.graph, project.main, project.folder / "pictures")
        print(f"\n{(project.folder / 'table.txt').read_text(encoding='utf-8')}")
        print(f"every metric, with its protocol: {project.folder / 'table.md'}")
        print(f"with curves, classes, pictures and features: {project.folder / 'report.html'}")

    return {
        "actions": [refused_in_one_line(show)],
        "task_dep": ["_checks", *(node.label for node in project.main)],
    }


def plan_task(project: ExperimentGraph, sweep: Sweep, at_once: int) -> Task:
    """Shows what would run; `of=` names a stage, or the sweep."""

    def show() -> TaskFailed | None:
        from pipeline.graph.plan import plan_lines, planned

        of = doit.get_var("of", "all")
        if of == "sweep" and sweep.is_search:
            print("results so far choose the next trial; `doit run plan` shows one with the file's values")
            return None
        if of == "sweep" and not sweep.graphs:
            return TaskFailed(f"sweep is no part of {project.experiment.name}: it has no section [sweep]")
        if of == "sweep":
            print("\n".join(plan_lines(*sweep.plan(at_once), at_once)))
            return None
        if of not in ("all", *project.by_label):
            return TaskFailed(f"of={of}: expected all, sweep or a stage of {project.experiment.name}")
        wanted = project.main if of == "all" else [project.by_label[of]]
        print("\n".join(planned(project.graph, needed(wanted), at_once)))
        return None

    return {"actions": [show]}


def config_task(project: ExperimentGraph) -> Task:
    """Shows the resolved experiment."""
    return {"actions": [lambda: print(json.dumps(project.experiment.model_dump(mode="json"), indent=2))]}


def doctor_task(argument: str, root: Path) -> Task:
    """Examines this machine in a subprocess; `deep=yes` runs known-answer tests too.

    Args:
        argument: the experiment, as passed to stages.
        root: the project's folder.
    """

    def examine() -> TaskFailed | None:
        deep = doit.get_var("deep", "no")
        if deep not in ("yes", "no"):
            return TaskFailed(f"deep={deep}: expected yes or no")
        command = [sys.executable, "-m", "stages.doctor", argument, *(["deep=yes"] if deep == "yes" else [])]
        code = subprocess.call(command, cwd=root)
        return TaskFailed("what is marked FAILED would stop a run") if code else None

    return {"actions": [examine]}


def anchors_task(project: ExperimentGraph) -> Task:
    """Runs what the anchors need; then shows each result beside its published number."""

    def show() -> None:
        from pipeline.report.anchors import compare_anchors

        project.record()
        print(f"\n{compare_anchors(project.experiment, project.folder)}")
        print(f"also as a file: {project.folder / 'anchors.md'}")

    tables = (
        [node.label for node in project.main if node.stage == "tables"] if project.experiment.anchors else []
    )
    return {"actions": [refused_in_one_line(show)], "task_dep": ["_checks", *tables]}


def gc_task(results: Path) -> Task:
    """Shows unreferenced artifacts; `delete=yes` deletes them."""
    from pipeline.graph.unreferenced import unreferenced_lines

    def act() -> TaskFailed | None:
        delete = doit.get_var("delete", "no")
        if delete not in ("yes", "no"):
            return TaskFailed(f"delete={delete}: expected yes or no")
        print("\n".join(unreferenced_lines(results, delete_them=delete == "yes")))
        return None

    return {"actions": [refused_in_one_line(act)]}


def verify_task(project: ExperimentGraph, results: Path) -> Task:
    """Reads every artifact in use again."""
    from pipeline.graph.verification import verify

    def act() -> TaskFailed | None:
        project.record()
        num_damaged = verify(results, lambda line: print(line, flush=True))
        return TaskFailed(f"{num_damaged} damaged: `doit run all` makes them again") if num_damaged else None

    return {"actions": [refused_in_one_line(act)]}


def checks_task(
    project: ExperimentGraph, executor: Executor, arguments: Sequence[str], *, root: Path
) -> Task:
    """Fails if the machine or the data would stop a run; every stage waits for it.

    Else it begins to compile Jittor's core, where that is missing here and a stage will use it.

    Args:
        arguments: of doit. If they name only stages, memory and disk for these are checked; if everything
            requested is current, nothing is.
        root: the project's folder.
    """

    def check() -> TaskFailed | None:
        if other := project.other_owner():
            return failing([other])
        if asks_for_the_missing(arguments) and not any(map(project.graph.fault, project.main)):
            return None
        from pipeline.graph.problems import problems_of, shortages_of  # need Pillow and more

        named = named_tasks(arguments) or ()
        stages = [project.nodes_named(name) for name in named]
        if stages and all(stages):
            wanted = [*chain.from_iterable(stages)]
            problems = shortages_of(project, wanted, executor)
        else:
            wanted = project.main if set(named) <= {"all"} else []
            problems = problems_of(project, executor)
        if not problems and runs_here(executor):
            compile_if_needed(project.graph, needed(wanted), root, OUTPUT.of("core"))
        return failing(problems)

    return {"actions": [refused_in_one_line(check)]}
