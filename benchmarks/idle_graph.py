"""Measures how long doit takes to find that nothing is to be done, in a copy of the project."""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.many_images import IMAGES_PER_SHARD
from pipeline.config.reading import read_experiment
from pipeline.datasets.listing import listing_digest
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.fingerprints import Graph
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.publishing import publish
from pipeline.storage.artifacts import listing_memo
from pipeline.storage.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {"all": ("run", "all"), "status": ("list", "--all", "--status"), "plan": ("run", "plan")}
_SLOWER_OF = ("all", "status")
_NUM_CLASSES = 1000
_BYTES_PER_IMAGE, _BYTES_PER_LINE = 110_000, 130
_NOTHING = "nothing to do"  # in the plan of a finished experiment
_LINKS_PER_FILE = 30_000  # file systems limit how many names a file has


class IdleGraph:
    """A repeat returns the seconds of the slower of `doit run all` and `doit list --all --status`.

    Every stage of the copy gets a stamp as if it had run. Of the outputs only the tables exist, and the
    manifest of a source of many images. `report` returns the processor seconds of the last repeat's commands.

    Args:
        parameters: `lines`, images of a source folder, each a name in it, and lines of the manifest; or
            `images`, those of a source of shards. Shards and manifest have their size, and nothing in them:
            commands look at sizes and times. `command`, a key of `COMMANDS`, to measure that alone.
    """

    def __init__(self, parameters: dict, folder: Path):
        self.folder, lines = folder / "project", parameters.get("lines", 0)
        images = parameters.get("images", 0)
        self.names = (parameters["command"],) if "command" in parameters else _SLOWER_OF
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        for name in ("pipeline", "benchmarks", "stages"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=ignored)
        shutil.copy(ROOT / "dodo.py", self.folder)
        text = 'extends = "quickstart"\n'
        if lines:
            _many_names(folder / "images", lines)
            text += f'[data]\nsource = "{folder / "images"}"\n'
            time.sleep(2.5)  # listings of folders that have just been modified are not cached
        elif images:
            _many_shards(folder / "shards", images)
            text += f'[data]\nsource = "{folder / "shards"}"\n'
        self.experiment = self.folder / "idle.toml"
        write_text(self.experiment, text)
        _finish(self.folder, self.experiment, lines, images)
        self.check: dict[str, float] = {}
        self.extra = {"start_mib": 0.0}  # all that the commands hold counts
        self.worked = 0.0
        for name in self.names:
            self._seconds(COMMANDS[name])

    @property
    def peak_mib(self) -> float:
        """Peak memory of a command so far, in place of this one's; at least this one's."""
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024

    def repeat(self) -> float:
        """Seconds."""
        before = os.times()
        slowest = max(self._seconds(COMMANDS[name]) for name in self.names)
        self.worked = sum(os.times()[2:4]) - sum(before[2:4])
        return slowest

    def report(self) -> dict[str, float]:
        """Processor seconds of the commands of the last repeat together, and the peak memory of one."""
        return {"processor_seconds_of_commands": round(self.worked, 3), "peak_mib_of_commands": self.peak_mib}

    def _seconds(self, command: tuple[str, ...]) -> float:
        # Whatever is set here: modules are compiled once, as a user has them, not again by every command.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "doit", *command, f"experiment={self.experiment}"],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        output = done.stdout + done.stderr
        if (
            done.returncode
            or (command == COMMANDS["all"] and ": 0 of " not in output)
            or (command == COMMANDS["plan"] and _NOTHING not in output)
            or "R pretrain:hssl-seed0" in output
        ):
            raise RuntimeError(f"doit {' '.join(command)} found something to do:\n{output[-2000:]}")
        return seconds


def _finish(folder: Path, experiment_file: Path, lines: int, images: int) -> None:
    """Stamp every node of the experiment."""
    experiment, results = read_experiment(str(experiment_file)), folder / "results"
    code = CodeDigests(folder, results / "artifacts" / ".code_digests.json")

    def listing(config) -> str:
        return listing_digest(config, listing_memo(results, config.source))

    (results / "artifacts").mkdir(parents=True)
    graph = Graph(experiment_nodes(experiment), results, code=code, listing=listing)
    for node in graph.nodes:
        directory = graph.directory(node)
        directory.mkdir(parents=True)
        outputs = {}
        if lines and node.label == "prepare:images":
            outputs["manifest.csv"] = {"size": _write_manifest(directory / "manifest.csv", lines)}
        if images and node.label == "prepare:images":
            _write_empty(directory / "manifest.csv", images * _BYTES_PER_LINE)
            outputs["manifest.csv"] = {"size": images * _BYTES_PER_LINE}
        if node.stage == "tables":
            outputs = _write_tables(directory)
        stamp = {
            "stage": node.stage,
            "name": node.name,
            "fingerprint": graph.fingerprint(node),
            "config": node.config.model_dump(mode="json"),
            "code": graph.code_of(node),
            "libraries": graph.libraries(node),
            "inputs": graph.identities(node),
            "lineage": graph.lineage(node),
            "outputs": outputs,
            "content": node.label,
            "work": node.work,
            "seconds": 1.0,
            "started": "2025-01-01",
        }
        write_json(directory / "stamp.json", stamp)
        if node.stage == "tables":
            publish("tables", directory, results / experiment.name, str(experiment_file))
    code.save()


def _write_tables(directory: Path) -> dict[str, dict[str, int]]:
    outputs = {}
    for suffix in ("txt", "md", "csv", "json", "tex"):
        path = directory / f"table.{suffix}"
        write_text(path, "no results: this project only shows how fast doit is\n")
        outputs[path.name] = {"size": path.stat().st_size}
    return outputs


def _write_manifest(path: Path, lines: int) -> int:
    text = "".join(
        f"train/n{i % _NUM_CLASSES:08d}/{i}.jpg,train,{i % 1000},500,375,{i:064x}\n" for i in range(lines)
    )
    write_text(path, text)
    return path.stat().st_size


def _many_shards(folder: Path, images: int) -> None:
    """Make shards of 10,000 images of 110 KB, which take no space on the disk."""
    folder.mkdir()
    for number, first in enumerate(range(0, images, IMAGES_PER_SHARD)):
        count = min(IMAGES_PER_SHARD, images - first)
        _write_empty(folder / f"train-{number:06d}.tar", count * _BYTES_PER_IMAGE)


def _write_empty(path: Path, num_bytes: int) -> None:
    path.touch()
    os.truncate(path, num_bytes)


def _many_names(folder: Path, count: int) -> None:
    """Make `count` image names as hard links to few files, which are never opened."""
    folders = [folder / "train" / f"n{index:08d}" for index in range(min(_NUM_CLASSES, count))]
    for each in folders:
        each.mkdir(parents=True)
    source = ""
    for index in range(count):
        name = f"{folders[index % len(folders)]}/{index}.jpg"
        if index % _LINKS_PER_FILE == 0:
            Path(name).write_bytes(b"an image")
            source = name
        else:
            os.link(source, name)
