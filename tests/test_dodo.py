"""The graph as a user meets it: real doit, real processes, toy stages."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOY = Path(__file__).resolve().parent / "toy_stages" / "toy.py"
PROBES = ("knn", "linear", "logistic")
NUM_STAGES = 1 + 2 * 5 + 1


class Project:
    """A copy of dodo.py with toy stages, and an experiment in my.toml."""

    def __init__(self, folder: Path):
        self.folder, self.runs = folder, folder / "runs.txt"
        shutil.copy(ROOT / "dodo.py", folder)
        shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "stages").mkdir()
        (folder / "stages" / "__init__.py").touch()
        for stage in ("prepare", "initialize", "pretrain", "features", "knn", "linear", "logistic"):
            shutil.copy(TOY, folder / "stages" / f"{stage}.py")
        shutil.copy(ROOT / "stages" / "tables.py", folder / "stages")
        (folder / "images.bin").write_text("pixels")
        self.configure()

    def configure(self, epochs: int = 3, name: str = "my", **top) -> None:
        top = {"arms": ["random", "hssl"], "baseline": "random"} | top
        lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
        sections = ["[data]", 'source = "images.bin"', "[schedule]", f"epochs = {epochs}"]
        (self.folder / f"{name}.toml").write_text("\n".join([*lines, *sections]))

    def environment(self, fault: str = "") -> dict[str, str]:
        return os.environ | {"TOY_RUNS": str(self.runs), "TOY_FAULT": fault, "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "doit", *arguments]

    def doit(self, *arguments: str, fault: str = "", cwd: Path | None = None, experiment: str = "my.toml"):
        command = self.command(*arguments, f"experiment={experiment}")
        environment = self.environment(fault)
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
        process = subprocess.Popen(
            self.command("run", "all", "experiment=my.toml"), cwd=self.folder,
            env=self.environment(f"{stage}:hang"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
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


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A toy project whose experiment has run."""
    project = Project(tmp_path_factory.mktemp("finished"))
    backbones = ["initialize:random-seed0", "pretrain:hssl-seed0"]
    rest = [f"{stage}:{arm}-seed0" for stage in ("features", *PROBES) for arm in ("random", "hssl")]
    # In this order in every run, and without the tables stage, which is the real one.
    assert project.ran() == ["prepare", *backbones, *rest]
    return project.folder


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project: what it holds must stay current where it is moved."""
    shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    project = Project.__new__(Project)
    project.folder, project.runs = tmp_path / "copy", tmp_path / "copy" / "runs.txt"
    return project


def test_a_copied_project_prepares_again_but_repeats_nothing_else(project):
    # The copy's data have another absolute path, so preparing is asked for; what it makes is equal.
    assert project.ran() == ["prepare"]
    assert project.ran() == []


def test_nothing_to_do_is_quick_and_shows_the_table(project):
    project.ran()
    started = time.monotonic()
    done = project.doit("run", "all")
    seconds = time.monotonic() - started
    assert "12/12] tables: up to date" in done.stdout
    assert "hssl - random, knn top1:" in done.stdout
    assert seconds < 2, "1 s on an idle machine"


def test_tables_pictures_links_and_record(project):
    project.ran()
    folder = project.folder / "results" / "my"
    table = json.loads((folder / "table.json").read_text())
    assert len(table) == 6
    assert all((folder / f"table.{end}").read_text() for end in ("md", "csv", "tex", "txt"))
    assert (folder / "pictures" / "hssl-seed0-loss.png").read_text() == "a picture"
    link = folder / "artifacts" / "knn-hssl-seed0"
    assert not os.path.isabs(os.readlink(link))
    stamp = json.loads((link / "stamp.json").read_text())
    row = next(row for row in table if (row["task"], row["arm"]) == ("knn", "hssl"))
    assert row["fingerprint"] == stamp["fingerprint"]
    assert stamp["environment"]["numpy"]
    record = json.loads((folder / "experiment.json").read_text())
    assert len(record["artifacts"]) == NUM_STAGES


def test_an_option_reruns_what_depends_on_it_and_going_back_is_instant(project):
    project.ran()
    table = (project.folder / "results/my/table.json").read_bytes()
    project.configure(epochs=4)
    statuses = project.statuses()
    assert statuses["pretrain:hssl-seed0"] == statuses["knn:hssl-seed0"] == statuses["tables"] == "R"
    assert statuses["knn:random-seed0"] == statuses["prepare"] == "U"
    assert statuses["pretrain"] == statuses["knn"] == "R"
    assert statuses["initialize"] == "U"
    plan = project.doit("run", "plan").stdout
    assert "schedule.epochs 3" in plan
    ran = project.ran()
    assert len(ran) == 5
    assert not any("random" in label for label in ran)
    assert (project.folder / "results/my/table.json").read_bytes() != table
    project.configure(epochs=3)
    assert project.ran("run", "tables") == []
    assert (project.folder / "results/my/table.json").read_bytes() == table


def test_an_interrupted_other_configuration_leaves_the_first_as_it_was(project):
    project.ran()
    project.configure(epochs=5)
    assert project.doit("run", "all", fault="pretrain:fail").returncode != 0
    project.configure(epochs=3)
    assert project.ran() == []
    project.configure(epochs=5)
    assert len(project.ran()) == 5  # half an output never counts as one


def test_sigkill_keeps_what_was_done_and_leaves_no_orphan(project):
    project.ran()
    table = (project.folder / "results/my/table.json").read_bytes()
    shutil.rmtree(project.folder / "results")
    process, pids = project.start_and_hang("knn")
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_alive, pids)))
    ran = project.ran()
    assert not {"prepare", "pretrain:hssl-seed0", "features:hssl-seed0"} & set(ran)
    assert len(ran) == 6
    assert (project.folder / "results/my/table.json").read_bytes() == table


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, None)])
def test_ending_doit_ends_the_stage_and_its_children(project, number, code):
    project.configure(epochs=6)
    process, pids = project.start_and_hang("pretrain")
    process.send_signal(number)
    ended = process.wait(timeout=20)
    assert ended == code if code else ended != 0
    assert not any(map(is_alive, pids))


def test_a_killed_stage_fails_and_runs_again(project):
    project.configure(epochs=7)
    process, pids = project.start_and_hang("features")
    os.kill(pids[0], signal.SIGKILL)
    assert process.wait(timeout=20) != 0
    assert not is_alive(pids[1])
    assert "pretrain:hssl-seed0" not in project.ran()


def test_a_truncated_output_reruns_its_stage_only(project):
    project.ran()
    (project.artifact("features-hssl-seed0") / "result.txt").write_text("half")
    assert "R" in project.statuses()["features:hssl-seed0"]
    assert "has 4 bytes, its stamp says 64" in project.doit("run", "plan").stdout
    assert project.ran() == ["features:hssl-seed0"]


def test_an_input_made_again_with_another_content_is_noticed(project):
    project.ran()
    stamp = project.artifact("features-hssl-seed0") / "stamp.json"
    values = json.loads(stamp.read_text())
    values["content"] = "as another device would make it"
    stamp.write_text(json.dumps(values))
    assert sorted(project.ran()) == ["knn:hssl-seed0", "linear:hssl-seed0", "logistic:hssl-seed0"]


def test_the_data_base_is_worth_nothing(project):
    project.ran()
    (project.folder / "results" / ".doit.db").unlink()
    assert project.ran() == []


def test_touched_data_are_prepared_again_and_changed_data_rerun_everything(project):
    project.ran()
    os.utime(project.folder / "images.bin", (1, 1))
    assert "waits for prepare" in project.doit("run", "plan").stdout
    assert project.ran() == ["prepare"]
    (project.folder / "images.bin").write_text("other pixels")
    assert len(project.ran()) == NUM_STAGES - 1


def test_missing_data_are_named(project):
    (project.folder / "images.bin").unlink()
    assert "R" in project.statuses()["knn"]
    done = project.doit("run", "prepare")
    assert done.returncode != 0
    assert "images.bin does not exist" in done.stdout + done.stderr


def test_code_reruns_and_a_comment_does_not(project):
    project.ran()
    module = project.folder / "stages" / "knn.py"
    module.write_text(module.read_text() + "\n# a comment\n")
    assert project.ran() == []
    module.write_text(module.read_text() + "\nUNUSED = 1\n")
    assert "its code changed" in project.doit("run", "plan").stdout
    assert sorted(project.ran()) == ["knn:hssl-seed0", "knn:random-seed0"]


def test_exit_0_without_a_stamp_is_tried_twice_and_fails(project):
    project.configure(epochs=8)
    project.runs.write_text("")
    done = project.doit("run", "all", fault="pretrain:exit-0")
    assert done.returncode != 0
    assert "ended twice with exit code 0" in done.stdout
    assert project.runs.read_text().split().count("pretrain:hssl-seed0") == 2
    log = next(word for word in done.stdout.split() if word.endswith("stage.log"))
    assert "half done" in Path(log).read_text()


def test_a_stage_can_be_forced(project):
    project.ran()
    assert sorted(project.ran("run", "-s", "-a", "knn:hssl-seed0")) == ["knn:hssl-seed0"]
    assert sorted(project.ran("run", "-s", "-a", "knn")) == [
        "knn:hssl-seed0",
        "knn:random-seed0",
    ]
    assert project.ran() == []


def test_two_runs_at_once_share_the_work(project):
    project.configure(epochs=9)
    project.runs.write_text("")
    command = project.command("run", "all", "experiment=my.toml")
    both = [
        subprocess.Popen(command, cwd=project.folder, env=project.environment(), stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    said = b"".join(process.communicate(timeout=100)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0], said.decode()
    ran = project.runs.read_text().split()
    assert len(ran) == len(set(ran)) == 1 + 5


def test_experiments_share_what_is_equal_and_gc_deletes_the_rest(project):
    project.ran()
    project.configure(epochs=2, name="other", arms=["random", "ibot"])
    ran = project.ran(experiment="other.toml")
    assert sorted({label.partition("-")[0].partition(":")[2] for label in ran}) == ["ibot"]
    project.configure(epochs=4)
    project.ran()
    listed = project.doit("run", "gc").stdout
    assert listed.count("unreferenced") == 5 + 2  # two old arms, tables, what the copied project had prepared
    project.doit("run", "gc", "delete=yes")
    assert "every artifact belongs to an experiment" in project.doit("run", "gc").stdout
    assert project.ran() == []
    assert project.ran(experiment="other.toml") == []


def test_gc_leaves_alone_what_is_being_made(project):
    project.ran()
    project.configure(epochs=10)
    process, _ = project.start_and_hang("pretrain")
    project.configure(epochs=3)
    project.ran("run", "tables")  # the record no longer names what is being made
    project.doit("run", "gc", "delete=yes")
    request = next((project.folder / "results/artifacts/pretrain").glob("*/request.json"))
    running = [
        p for p in request.parent.parent.glob("*/request.json") if not (p.parent / "stamp.json").exists()
    ]
    process.terminate()
    process.wait()
    assert len(running) == 1


def test_mistakes_in_the_experiment_are_listed_without_a_traceback(project):
    (project.folder / "my.toml").write_text("sedes = [1]\n[schedule]\nepochs = -1\n")
    done = project.doit("list")
    assert done.returncode != 0
    assert "did you mean 'seeds'" in done.stderr
    assert "schedule.epochs" in done.stderr
    assert "Traceback" not in done.stderr


def test_doit_works_from_another_folder(project, tmp_path):
    project.ran()
    done = project.doit(
        "list", "-f", str(project.folder / "dodo.py"), experiment="copy/my.toml", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "pretrain" in done.stdout


def test_config_is_printed(project):
    done = project.doit("run", "config")
    assert json.loads(done.stdout)["schedule"]["epochs"] == 3
