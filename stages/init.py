"""`doit run init data=FOLDER [hours=1] [out=FILE.toml]`: look at a folder, write an experiment for it."""

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
from pipeline.first_experiment.choices import Network, choose
from pipeline.first_experiment.facts import Facts, read_facts
from pipeline.first_experiment.text import data_lines, experiment_text
from pipeline.graph.execution import bring_up_to_date
from pipeline.graph.experiment_graph import ExperimentGraph
from pipeline.graph.plan import in_words, plan
from pipeline.graph.subprocesses import StageFailed
from pipeline.storage.files import read_json, write_text

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
_PRETRAINING = 0.6  # share of the time that is tried first; then what the other stages leave
_USAGE = "usage: doit run init data=FOLDER [hours=1] [out=FILE.toml]"


def main(arguments: list[str]) -> int:
    """Write the file; return the exit code."""
    options = dict(argument.partition("=")[::2] for argument in arguments)
    try:
        if not options.get("data") or not {"data", "hours", "out"} >= options.keys():
            raise ConfigError(_USAGE)
        source = Path(options["data"]).expanduser().resolve()
        if not source.exists():
            raise ConfigError(f"data={options['data']}: no such file or folder")
        target = Path(options.get("out") or f"{_name_of(source)}.toml").expanduser()
        if target.exists():
            raise ConfigError(f"{target} is there already; name another file by out=")
        write_experiment(source, target, hours=_hours(options.get("hours", "1")))
    except (ConfigError, StageFailed, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def write_experiment(source: Path, target: Path, *, hours: float) -> None:
    """Prepare the images, choose, write the file and say what it will take."""
    write_text(target, "\n".join(['extends = "quickstart"', *data_lines(source)]) + "\n")
    try:
        lines, facts = _looked_at(target)
        share = _PRETRAINING * 3600 * hours
        text = _text(source, target, facts, share, hours, lines)
        # The other stages take what they take; pretraining gets the rest of the time.
        others = sum(seconds for label, seconds in _seconds(target) if not label.startswith("pretrain"))
        text = _text(source, target, facts, max(60.0, 3600 * hours - others), hours, lines)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    total = sum(seconds for _, seconds in _seconds(target))
    print(f"\n{text}\nwrote {target}; it will take about {in_words(total)}:")
    print(f"doit run all experiment={target}")


def _looked_at(path: Path) -> tuple[list[str], Facts]:
    """What the folder holds and what is doubtful, a line each, and the facts to choose by."""
    project = _project(read_experiment(str(path)), path)
    graph, node = project.graph, project.by_label["prepare:images"]
    bring_up_to_date(graph, node, root=ROOT, show=partial(os.write, 2))
    directory = graph.directory(node)
    return described(read_json(directory / "summary.json"), directory), read_facts(directory)


def _text(source: Path, target: Path, facts: Facts, seconds: float, hours: float, lines: list[str]) -> str:
    """Write the experiment whose pretraining takes so many seconds; return it."""
    experiment = read_experiment(str(target))
    threads = experiment.runtime.num_threads
    machine = Machine(product_rate(threads), threads)
    images = Images(**facts.counts, num_classes=facts.num_classes)
    preset = read_experiment("quickstart")

    def seconds_of_epoch(network: Network, batch_size: int) -> float:
        return sum(
            pretrain_seconds(config, images, machine) for config in _of_one_epoch(preset, network, batch_size)
        )

    choice = choose(facts, seconds, seconds_of_epoch)
    text = experiment_text(source, facts, choice, hours=hours, described=lines)
    write_text(target, text)
    return text


def _of_one_epoch(preset: Experiment, network: Network, batch_size: int) -> list[PretrainConfig]:
    """The pretrainings of the preset with another network, an epoch long."""
    values = preset.model_dump()
    values["backbone"] |= {
        name: getattr(network, name)
        for name in ("image_size", "patch_size", "embed_dim", "depth", "num_heads")
    }
    values["auxiliary_head"]["kernel_size"] = network.kernel_size
    values["crops"]["global_size"] = network.image_size
    values["features"] |= {"resize": network.image_size, "crop_size": network.image_size}
    values["schedule"] |= {"epochs": 1.0, "batch_size": batch_size, "warmup_epochs": 0.0}
    values |= {"segmentation": None, "detection": None, "dense_probe": None}
    experiment = Experiment.model_validate(values)
    return [experiment.pretrain_config(arm, 0) for arm in ("ibot", "hssl")]


def _seconds(path: Path) -> list[tuple[str, float]]:
    """Label and expected seconds of every stage that the experiment would run."""
    project = _project(read_experiment(str(path)), path)
    return [(step.label, step.seconds or 0.0) for step in plan(project.graph, project.main)]


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
    """A name that an experiment may have."""
    stem = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in source.name.split(".")[0]
    )
    return stem.strip("._-") or "my-images"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
