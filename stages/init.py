"""`doit run init data=FOLDER [hours=1] [out=FILE.toml]`: write an experiment for a folder of images."""

import os
import sys
from functools import partial
from pathlib import Path

from pipeline.config.experiment import Experiment
from pipeline.config.reading import ConfigError, read_experiment
from pipeline.config.stages import PretrainConfig
from pipeline.costs.forecast import Images, Machine, pretrain_seconds
from pipeline.costs.machine import product_rate
from pipeline.datasets.summary_lines import described
from pipeline.first_experiment.cautions import CAUTION, cautions
from pipeline.first_experiment.choices import Network, choose, dense_steps
from pipeline.first_experiment.facts import Facts, read_facts
from pipeline.first_experiment.text import DENSE_TASK, SHORT, data_lines, experiment_text
from pipeline.graph.command_options import stages_at_once
from pipeline.graph.execution import bring_up_to_date
from pipeline.graph.experiment_graph import ExperimentGraph
from pipeline.graph.local_executor import threads_of_stage
from pipeline.graph.plan import duration_text, plan
from pipeline.graph.stage_runner import exit_code_of
from pipeline.storage.files import read_json, write_text

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
_PRETRAINING = 0.6  # pretraining's initial share of the hours; later it gets the rest of the other stages
_MUCH_MORE = 1.25  # times the hours: from there on the user is warned
_NUM_EPOCHS = 100.0  # over which the time of an epoch is averaged: the stage's start would dominate one alone
_USAGE = "usage: doit run init data=FOLDER [hours=1] [out=FILE.toml]"


def main(arguments: list[str]) -> int:
    """Write the experiment's file; return the exit code."""
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: list[str]) -> None:
    options = dict(argument.partition("=")[::2] for argument in arguments)
    if not options.get("data") or not {"data", "hours", "out"} >= options.keys():
        raise ConfigError(_USAGE)
    source = Path(options["data"]).expanduser().resolve()
    if not source.exists():
        raise ConfigError(f"data={options['data']}: no such file or folder")
    target = Path(options.get("out") or f"{_name_of(source)}.toml").expanduser()
    if target.exists():
        raise ConfigError(f"{target} is there already; name another file by out=")
    write_experiment(source, target, hours=_hours(options.get("hours", "1")))


def write_experiment(source: Path, target: Path, *, hours: float) -> None:
    """Prepare the images, choose settings that fit the hours, write the file and print the expected time."""
    write_text(target, "\n".join(['extends = "quickstart"', *data_lines(source)]) + "\n")
    try:
        lines, facts = _inspect_images(target)
        share = _PRETRAINING * 3600 * hours
        _text(source, target, facts, share, hours, lines)
        steps = _dense_steps(target, facts, 3600 * hours)
        _text(source, target, facts, share, hours, lines, steps)
        # The time of the other stages is fixed; pretraining gets the rest.
        others = sum(seconds for label, seconds in _seconds(target) if not label.startswith("pretrain"))
        text = _text(source, target, facts, max(60.0, 3600 * hours - others), hours, lines, steps)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    total = sum(seconds for _, seconds in _seconds(target))
    print(f"\n{text}")
    print("\n".join(_cautions(lines, text, total, hours)))
    print(f"wrote {target}; it will take about {duration_text(total)}:")
    print(f"doit run all experiment={target}")


def _cautions(lines: list[str], text: str, seconds: float, hours: float) -> list[str]:
    """Cautions from the file, repeated below it so that they are not overlooked."""
    told = [line for line in lines if line.startswith(CAUTION)]
    if SHORT in text:
        told.append(f"{CAUTION} {SHORT}")
    if seconds > _MUCH_MORE * 3600 * hours:
        told.append(f"{CAUTION} the least of these stages take longer than {hours:g} h")
    return told


def _inspect_images(path: Path) -> tuple[list[str], Facts]:
    """Prepare the images; return lines on findings and doubts, and the facts that settings are chosen by."""
    project = _project(read_experiment(str(path)), path)
    directory = _prepare(project, "prepare:images")
    summary = read_json(directory / "summary.json")
    return [*described(summary, directory), *cautions(summary)], read_facts(directory)


def _prepare(project: ExperimentGraph, label: str) -> Path:
    """Prepare images if necessary, and return the artifact, which the run will use too."""
    node = project.by_label[label]
    bring_up_to_date(project.graph, node, root=ROOT, show=partial(os.write, 2))
    project.graph.code.save()
    return project.graph.directory(node)


def _dense_steps(path: Path, facts: Facts, seconds: float) -> int | None:
    """Steps for each segmenter or detector if those of the preset take too long; else None."""
    if facts.annotation not in DENSE_TASK:
        return None
    task, experiment = DENSE_TASK[facts.annotation], read_experiment(str(path))
    _prepare(_project(experiment, path), f"prepare:{task}")  # forecasts need the number of images
    preset = getattr(experiment, task).schedule.num_steps
    expected = sum(s for label, s in _seconds(path) if label.startswith(("segment", "detect")))
    fitting = dense_steps(preset, expected, seconds)
    return fitting if fitting < preset else None


def _text(
    source: Path,
    target: Path,
    facts: Facts,
    seconds: float,
    hours: float,
    lines: list[str],
    num_dense_steps: int | None = None,
) -> str:
    """Write the experiment whose pretraining takes about `seconds`, and return its text."""
    experiment = read_experiment(str(target))
    at_once = stages_at_once((), experiment)
    threads = threads_of_stage(experiment.runtime.threads, at_once)
    machine = Machine(product_rate(threads), threads)
    images = Images(**facts.counts, num_classes=facts.num_classes)
    preset = read_experiment("quickstart")

    def seconds_of_epoch(network: Network, batch_size: int) -> float:
        configs = _pretrainings(preset, network, batch_size)
        seconds = sum(pretrain_seconds(config, images, machine) for config in configs)
        return seconds / at_once / _NUM_EPOCHS

    choice = choose(facts, seconds, seconds_of_epoch)
    text = experiment_text(
        source, facts, choice, hours=hours, described=lines, num_dense_steps=num_dense_steps
    )
    write_text(target, text)
    return text


def _pretrainings(preset: Experiment, network: Network, batch_size: int) -> list[PretrainConfig]:
    """The preset's two pretrainings with this network and batch size, of _NUM_EPOCHS epochs each."""
    values = preset.model_dump()
    values["backbone"] |= {
        name: getattr(network, name)
        for name in ("image_size", "patch_size", "embed_dim", "depth", "num_heads")
    }
    values["auxiliary_head"]["kernel_size"] = network.kernel_size
    values["crops"]["global_size"] = network.image_size
    values["features"] |= {"resize": network.image_size, "crop_size": network.image_size}
    values["schedule"] |= {"epochs": _NUM_EPOCHS, "batch_size": batch_size, "warmup_epochs": 0.0}
    values |= {"segmentation": None, "detection": None, "dense_probe": None}
    experiment = Experiment.model_validate(values)
    return [experiment.pretrain_config(arm, 0) for arm in ("ibot", "hssl")]


def _seconds(path: Path) -> list[tuple[str, float]]:
    """Label and expected seconds of every stage to run; they add up to the duration of the run."""
    experiment = read_experiment(str(path))
    project, at_once = _project(experiment, path), stages_at_once((), experiment)
    steps = plan(project.graph, project.main, at_once=at_once)
    project.graph.code.save()
    return [(step.label, (step.seconds or 0.0) / at_once) for step in steps]


def _project(experiment: Experiment, argument: Path) -> ExperimentGraph:
    RESULTS.mkdir(exist_ok=True)
    return ExperimentGraph(str(argument), experiment, root=ROOT, results=RESULTS)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours < 10_000:
        raise ConfigError(f"hours={text}: expected a number of hours above 0")
    return hours


def _name_of(source: Path) -> str:
    """A valid experiment name, derived from the name of the folder or file."""
    stem = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in source.name.split(".")[0]
    )
    return stem.strip("._-") or "my-images"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
