"""A project with toy stages and the real dodo.py."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOY = ROOT / "tests" / "toy_stages" / "toy.py"
PROBES = ("knn", "linear", "logistic")
# data, duplicates; weights, features, views, probes of two arms; curves, tables, report
NUM_STAGES = 2 + 2 * 6 + 3


class Project:
    """A folder with a copy of dodo.py, toy stages, and an experiment in my.toml."""

    def __init__(self, folder: Path):
        self.folder, self.runs = folder, folder / "runs.txt"
        self.errors = folder / "errors.txt"  # standard error of a run that hangs
        self.cache = folder / "compiled"

    def write(self) -> None:
        """Write the files of a project that has never run."""
        folder = self.folder
        for file in ("dodo.py", "pyproject.toml"):
            shutil.copy(ROOT / file, folder)
        shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "stages").mkdir()
        (folder / "stages" / "__init__.py").touch()
        of_backbones = ("initialize", "convert", "pretrain", "curves", "features", "views", "pixels", "probe")
        for stage in ("prepare", "duplicates", *of_backbones, "search_train"):
            shutil.copy(TOY, folder / "stages" / f"{stage}.py")
        for program in ("tables", "ablate", "search", "search_validate", "on_node"):
            shutil.copy(ROOT / "stages" / f"{program}.py", folder / "stages")
        shutil.copy(TOY.with_name("report.py"), folder / "stages")
        (folder / "images.bin").write_text("pixels")
        # As if Jittor's core were compiled, which toy stages do without: none is begun, and `verify` does not
        # read what other tests compile, or leave half-written, at that moment.
        core = self.cache / "jittor" / "toy"
        core.mkdir(parents=True)
        (core / "built.json").write_text("{}")
        self.cache.chmod(0o700)
        self.configure()

    def configure(self, epochs: int = 3, name: str = "my", **top) -> None:
        top = {"arms": ["random", "hssl"], "baseline": "random"} | top
        lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
        # A batch that fits into any memory.
        sections = ["[data]", 'source = "images.bin"', "[schedule]", f"epochs = {epochs}", "batch_size = 4"]
        (self.folder / f"{name}.toml").write_text("\n".join([*lines, *sections]))

    def environment(self, fault: str = "") -> dict[str, str]:
        # Applies everywhere: a project's code is compiled once, not again in each of hundreds of processes.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        own = {"TOY_RUNS": str(self.runs), "TOY_FAULT": fault, "HSSL_CACHE": str(self.cache)}
        return kept | own

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "doit", *arguments]

    def doit(
        self,
        *arguments: str,
        fault: str = "",
        cwd: Path | None = None,
        experiment: str = "my.toml",
        variables: dict[str, str] | None = None,
    ):
        command = self.command(*arguments, f"experiment={experiment}")
        environment = self.environment(fault) | (variables or {})
        return subprocess.run(
            command, cwd=cwd or self.folder, env=environment, capture_output=True, text=True, timeout=100
        )

    def ran(self, *arguments: str, **options) -> list[str]:
        """Run doit, require success, and return the stages that ran."""
        self.runs.write_text("")
        done = self.doit(*(arguments or ("run", "all")), **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.runs.read_text().split()

    def start_and_hang(self, stage: str) -> tuple[subprocess.Popen, list[int]]:
        """Start doit, wait until `stage` hangs, and return doit and the pids of the stage and its child."""
        pids = Path(f"{self.runs}.pids")
        pids.unlink(missing_ok=True)
        with open(self.errors, "w") as errors:
            process = subprocess.Popen(
                self.command("run", "all", "experiment=my.toml"), cwd=self.folder,
                env=self.environment(f"{stage}:hang"), stdout=subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip
        wait_for(pids.is_file)
        return process, [int(pid) for pid in pids.read_text().split()]

    def artifact(self, link: str) -> Path:
        return (self.folder / "results" / "my" / "artifacts" / link).resolve()

    def statuses(self, **options) -> dict[str, str]:
        lines = self.doit("list", "--all", "--status", **options).stdout.splitlines()
        return {line.split()[1]: line.split()[0] for line in lines}


def wait_for(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
