"""The graph as doit tasks: order and names. Stamps alone decide what is up to date."""

import gc
import sys
from pathlib import Path

import doit

gc.disable()  # of all that is imported nothing is garbage, and to look for it takes a twentieth of a command
ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results"
sys.path.insert(0, str(ROOT))

from pipeline.graph import command_tasks as commands  # noqa: E402
from pipeline.graph.command_options import OPTIONS, refuse_unknown, stages_at_once  # noqa: E402
from pipeline.graph.doit_tasks import program_task, refused_in_one_line, stage_tasks  # noqa: E402
from pipeline.graph.executors import executor_named  # noqa: E402
from pipeline.graph.experiment_graph import OUTPUT, ExperimentGraph, read_argument  # noqa: E402
from pipeline.graph.node import GROUPS  # noqa: E402
from pipeline.graph.printable import PrintableStream, printable  # noqa: E402
from pipeline.graph.publishing import shown_after  # noqa: E402
from pipeline.graph.reporter import StageReporter  # noqa: E402
from pipeline.graph.subprocesses import end_on_signal  # noqa: E402
from pipeline.graph.sweep import Sweep  # noqa: E402
from pipeline.graph.sweep_tasks import sweep_task, trial_checks, trial_tasks  # noqa: E402
from pipeline.watch.task import watch_task  # noqa: E402

gc.enable()
refuse_unknown(sys.argv[1:])
try:
    RESULTS.mkdir(exist_ok=True)
except OSError as error:
    raise SystemExit(f"{RESULTS}: {error.strerror}") from None
end_on_signal()
sys.stdout = PrintableStream(sys.stdout)  # names come from data sets and results
STARTED_IN = Path(doit.get_initial_workdir() or ".")
ARGUMENT, EXPERIMENT = read_argument(doit.get_var("experiment", "quickstart"), STARTED_IN)
try:
    PLACE = doit.get_var("executor", "local")
    AT_ONCE = stages_at_once(sys.argv[1:], EXPERIMENT, PLACE)
    EXECUTOR = executor_named(PLACE, EXPERIMENT.executor, AT_ONCE, EXPERIMENT.runtime)
except ValueError as error:
    raise SystemExit(printable(str(error))) from None
PROJECT = ExperimentGraph(ARGUMENT, EXPERIMENT, root=ROOT, results=RESULTS, executor=EXECUTOR)
try:
    SWEEP = Sweep(PROJECT, root=ROOT, results=RESULTS, executor=EXECUTOR)
except ValueError as error:
    raise SystemExit(printable(str(error))) from None
DOIT_CONFIG = {
    # doit's own state is not used; in memory, no file of it can be damaged or fill a disk.
    "backend": "sqlite3",
    "dep_file": ":memory:",
    "default_tasks": ["all"],
    "sort": "definition",  # `doit list` shows the stages in the order in which they run
    "verbosity": 2,
    "num_process": AT_ONCE if AT_ONCE > 1 else 0,  # of `doit run` without -n
    "par_type": "thread",  # stages are processes of their own
    "reporter": StageReporter.of(
        EXPERIMENT.name, {*PROJECT.by_label, *SWEEP.labels}, shown_after(PROJECT.folder), OUTPUT.line
    ),
}


def task_all():
    """Run the whole experiment, or what is missing of it, and show its table"""
    return commands.all_task(PROJECT)


def task_stages():
    """One task per node of the graph, in groups by stage."""
    yield from stage_tasks(PROJECT, first=["_checks"])


def task_sweep():
    """Run the trials of [sweep], each with its table and report, and compare them"""
    return sweep_task(SWEEP, at_once=AT_ONCE, place=PLACE, root=ROOT, folder=STARTED_IN)


def task_trials():
    """Each stage of each trial of [sweep]"""
    yield from trial_tasks(SWEEP)


def task__trial_checks():
    """What the trials of [sweep] ask for, before any of them runs"""
    return trial_checks(SWEEP)


def task__trial_files():
    """Each trial of the sweep as an experiment that can be run alone"""
    return {"actions": [refused_in_one_line(SWEEP.write_files)]}


def task_plan():
    """Show what `doit run all` would do, why, and about how long it would take; also `plan of=search`"""
    return commands.plan_task(PROJECT, SWEEP, AT_ONCE)


def task_watch():
    """Show what runs, its curves, warnings and the time left, until it is done; in a pipe, once"""
    return watch_task(PROJECT, AT_ONCE)


def task_config():
    """Show the resolved experiment: every option with its value"""
    return commands.config_task(PROJECT)


def task_doctor():
    """Show what this machine has, what is missing, and the remedy; deep=yes: known answers too"""
    return commands.doctor_task(ARGUMENT, ROOT)


def _program(name, problem, options=OPTIONS):
    """A task that runs a program of stages/ in the user's working directory."""
    return program_task(name, problem, options, root=ROOT, folder=STARTED_IN)


def task_init():
    """Look at a folder of images and write an experiment for it: init data=FOLDER hours=2 out=my.toml"""
    return _program("init", "no experiment was written")


def task_compare():
    """Compare finished experiments: compare experiments=A,B by=arm|dataset|config out=FILE.html"""
    return _program("compare", "nothing was compared")


def task_embed():
    """Vectors of any images: embed arm=hssl data=FOLDER format=npz|csv|parquet patches=yes out=FILE"""
    return _program("embed", "no vectors were written")


def task_predict():
    """Predict any images by fine-tuned models: predict task=segment|detect|classify arm=hssl data=FOLDER"""
    return _program("predict", "no predictions were written")


def task_replay():
    """Repeat a step that was not finite, and name its first such tensor: replay step=N stage=S arm=hssl"""
    return _program("replay", "the step was not repeated")


def task_export():
    """Export a base, or with task=segment a model, for timm, torch, hf, onnx: export arm=hssl format=timm"""
    return _program("export", "nothing was exported")


def task_anchors():
    """Evaluate published weights, [anchors], and set each result beside the published number"""
    return commands.anchors_task(PROJECT)


def task_shard():
    """Write the prepared images as WebDataset shards: shard experiment=NAME shard_mib=512 out=FOLDER"""
    return _program("shard", "no shards were written", ("experiment", "shard_mib", "out"))


def task_benchmark():
    """Measure this machine's speed beside other programs: benchmark rows=step,knn repeats=3 device=cuda"""
    options = ("rows", "repeats", "profile", "size", "device", "experiment", "results")
    return _program("benchmark", "not every row was measured", options)


def task_gc():
    """Show artifacts that no experiment uses; `doit run gc delete=yes` deletes them"""
    return commands.gc_task(RESULTS)


def task_verify():
    """Read every artifact in use again, and name damaged ones; the next run makes those again"""
    return commands.verify_task(PROJECT, RESULTS)


def task__checks():
    """Cheap checks of this machine and the data, before anything long"""
    return commands.checks_task(PROJECT, EXECUTOR, sys.argv[1:], root=ROOT)


commands.refuse_unknown_task(
    sys.argv[1:],
    [*PROJECT.by_label, *GROUPS],
    [name.removeprefix("task_") for name in list(globals()) if name.startswith("task_")],
)
