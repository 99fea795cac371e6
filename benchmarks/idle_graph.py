"""Measures how long doit takes to find that nothing is to be done, in a copy of the project."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from pipeline.config.reading import read_experiment
from pipeline.datasets.listing import listing_digest
from pipeline.graph.code_digest import CodeDigests
from pipeline.graph.fingerprints import Graph
from pipeline.graph.nodes import experiment_nodes
from pipeline.graph.publishing import publish
from pipeline.storage.artifacts import listing_memo
from pipeline.storage.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (("run", "all"), ("list", "--all", "--status"))
_NUM_CLASSES = 1000
_LINKS_PER_FILE = 30_000  # file systems limit how many names a file has


class IdleGraph:
    """A repeat returns the seconds of the slower of `doit run all` and `doit list --all --status`.

    Every stage of the copy gets a stamp as if it had run. Of the outputs only the tables exist and, with
    `lines`, a manifest of that many lines, for a source folder of that many images.
    """

    def __init__(self, parameters: dict, folder: Path):
        self.folder, lines = folder / "project", parameters.get("lines", 0)
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        for name in ("pipeline", "benchmarks", "stages"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=ignored)
        shutil.copy(ROOT / "dodo.py", self.folder)
        text = 'extends = "quickstart"\n'
        if lines:
            _many_names(folder / "images", lines)
            text += f'[data]\nsource = "{folder / "images"}"\n'
            time.sleep(2.5)  # listings of folders that have just been modified are not cached
        self.experiment = self.folder / "idle.toml"
        write_text(self.experiment, text)
        _finish(self.folder, self.experiment, lines)
        self.check: dict[str, float] = {}
        for command in COMMANDS:
            self._seconds(command)

    def repeat(self) -> float:
        return max(self._seconds(command) for command in COMMANDS)

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
            or ("run" in command and ": 0 of " not in output)
            or "R pretrain:hssl-seed0" in output
        ):
            raise RuntimeError(f"doit {' '.join(command)} found something to do:\n{output[-2000:]}")
        return seconds


def _finish(folder: Path, experiment_file: Path, lines: int) -> None:
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
