"""The project as a user runs it: the real stages, from images to a table."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.weights.arrays import read_arrays

ROOT = Path(__file__).resolve().parent.parent
TASKS = ("knn", "linear", "logistic")
EVERY_ROW = {(arm, task) for arm in ("random", "hssl") for task in TASKS} | {("hssl", "discrepancy")}
# Dense tasks are run by the stages' own tests, and all together by the smoke experiment itself.
CLASSES_ONLY = "segmentation = false\ndetection = false\ndense_probe = false\n"
TWO_ARMS = f'extends = "smoke"\narms = ["random", "hssl"]\nbaseline = "random"\n{CLASSES_ONLY}'
# Saved as often as logged: a kill finds a checkpoint, with most of the run to come.
MANY_STEPS = "[schedule]\nepochs = 16\n[runtime]\nlog_every_steps = 4\ncheckpoint_every_minutes = 1e-9\n"

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path) -> Path:
    """The project's files, without results."""
    for folder in ("pipeline", "stages"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", tmp_path)
    return tmp_path


def command(experiment: str) -> list[str]:
    return [sys.executable, "-m", "doit", "run", "all", f"experiment={experiment}"]


def run(project: Path, experiment: str) -> str:
    done = subprocess.run(
        command(experiment),
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def table(project: Path, name: str) -> list[dict]:
    return json.loads((project / "results" / name / "table.json").read_text())


def stage_group(job_folder: Path) -> int | None:
    """Process group of the stage whose job lies below `job_folder`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            if any(word.startswith(bytes(job_folder) + b"/") for word in arguments):
                return os.getpgid(int(process.name))
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
    return None


def kill_at_first_checkpoint(process: subprocess.Popen, artifacts: Path) -> Path:
    """SIGKILL the pretraining once it has saved; its artifact's folder."""
    end = time.monotonic() + 600
    while not (saved := list(artifacts.glob("*/checkpoint.safetensors"))):
        assert process.poll() is None, "doit ended before pretraining had saved"
        assert time.monotonic() < end, "no checkpoint within 10 minutes"
        time.sleep(0.01)
    group = stage_group(artifacts.resolve())
    assert group not in (None, os.getpgrp())
    os.killpg(group, signal.SIGKILL)
    return saved[0].parent


def test_a_killed_pretraining_ends_in_the_table_of_an_uninterrupted_run(project):
    (project / "my.toml").write_text(TWO_ARMS + MANY_STEPS)
    run(project, "my.toml")
    expected = table(project, "my")
    assert {(row["arm"], row["task"]) for row in expected} == EVERY_ROW
    results = project / "results"
    shutil.rmtree(results / "my")
    for stage in ("pretrain", "features", *TASKS, "tables"):
        shutil.rmtree(results / "artifacts" / stage)

    process = subprocess.Popen(
        command("my.toml"),
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    artifact = kill_at_first_checkpoint(process, results / "artifacts" / "pretrain")
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode != 0
    assert "was ended by SIGKILL" in output
    assert not (artifact / "stamp.json").exists()
    killed_at = len((artifact / "metrics.jsonl").read_text().splitlines())
    run(project, "my.toml")

    assert table(project, "my") == expected
    steps = [json.loads(line)["step"] for line in (artifact / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, *range(4, 65, 4)]
    assert 0 < killed_at < len(steps), "the kill came when nothing was left to do"


def test_a_second_run_does_nothing_and_is_quick(project):
    (project / "my.toml").write_text(TWO_ARMS)
    run(project, "my.toml")
    seconds = []  # of the processor: on the clock a busy machine would be slow
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output = run(project, "my.toml")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "my: 0 of 17 stages ran" in output
    assert min(seconds) < 2, "1 s on an idle machine"


def test_a_folder_of_real_images(project, sample_data):
    images = sample_data / "classification" / "cifar10" / "imagefolder-mini"
    if not images.is_dir():
        pytest.skip(f"no sample images: {images} is not a folder")
    (project / "my.toml").write_text(f"{TWO_ARMS}[data]\nsource = {json.dumps(str(images))}\n")
    run(project, "my.toml")
    rows = table(project, "my")
    assert {(row["arm"], row["task"]) for row in rows} == EVERY_ROW
    found = {(row["dataset"], row["split"]) for row in rows if row["task"] in TASKS}
    assert found == {("imagefolder-mini", "test")}
    probed = [row for row in rows if row["task"] in TASKS]
    assert all(0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1 for row in probed)


STUDIES = """
[search]
epochs = 1
[search.candidates.conv]
depth = 1
[search.candidates.plain]
kind = "separable"
depth = 1
[search.candidates.vit]
kind = "vit"
depth = 1
[ablate.variants.apart]
detached = true
"""


def test_studies_of_the_head_end_in_tables_and_a_head_to_run_with(project):
    (project / "mine.toml").write_text(TWO_ARMS + STUDIES)
    for study in ("search", "search-validate", "ablate"):
        asked = [sys.executable, "-m", "doit", "run", study, "experiment=mine.toml"]
        done = subprocess.run(asked, cwd=project, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    folder = project / "results" / "mine"
    names = ("search", "search-validate", "ablate")
    search, validated, ablated = (json.loads((folder / f"{name}.json").read_text()) for name in names)
    names = {"conv", "plain", "vit"}
    assert {line["name"] for line in search["lines"]} == names
    assert all(0 < line["cka"] < 1 and line["parameters"] > 0 for line in search["lines"])
    assert search["cost"]["share"] > 0
    assert {line["name"] for line in validated["lines"]} == names | {"random"}
    assert all(0 < line["knn"] < 1 for line in validated["lines"])
    assert {line["name"] for line in ablated["lines"]} == {"random", "hssl", "apart"}
    assert all(line["cka"] > 0 and line["linear_gain"] is not None for line in ablated["lines"][1:])
    run(project, "results/mine/chosen-head.toml")
    assert {row["arm"] for row in table(project, "mine-chosen-head")} == {"random", "hssl"}


def test_a_further_data_set_has_its_rows_beside_those_of_the_experiment(project, sample_data):
    images = sample_data / "classification" / "cifar10" / "imagefolder-mini"
    if not images.is_dir():
        pytest.skip(f"no sample images: {images} is not a folder")
    evaluate = '[[evaluate]]\nname = "things"\ntasks = ["knn", "linear", "few-shot"]\n'
    evaluate += f"data = {{ source = {json.dumps(str(images))} }}\n"
    (project / "my.toml").write_text(f"{TWO_ARMS}[few_shot]\nshots = [1, 2]\ndraws = 2\n{evaluate}")
    run(project, "my.toml")
    rows = table(project, "my")
    own = {(row["arm"], row["task"]) for row in rows if row["dataset"] != "things"}
    assert own == EVERY_ROW
    few = {f"{method}-{shots}-shot" for method in ("knn", "logistic") for shots in (1, 2)}
    further = {(row["arm"], row["task"]) for row in rows if row["dataset"] == "things"}
    assert further == {(arm, task) for arm in ("random", "hssl") for task in {"knn", "linear"} | few}
    assert (project / "results/my/data/things-train.png").is_file()
    page = (project / "results/my/report.html").read_text()
    assert "knn on things" in page
    assert "my: 0 of" in run(project, "my.toml")


def test_five_channels_of_floats_from_files_to_the_table(project, tmp_path):
    rng = np.random.default_rng(0)
    for label, name in enumerate(("calm", "rough")):
        (tmp_path / "bands" / name).mkdir(parents=True)
        for number in range(40):
            spread = (1 + 3 * label) * np.array([9, 1, 0.1, 50, 1e5])
            values = rng.normal([1e4, -3, 0.5, 700, 2e6], spread, (36, 40, 5))
            np.save(tmp_path / f"bands/{name}/{number}.npy", values.astype(np.float32))
    experiment = tmp_path / "x.toml"
    bands = '[data]\nsource = "bands"\nchannels = 5\n'
    experiment.write_text(f'extends = "smoke"\n{bands}[schedule]\nepochs = 8\n')
    output = run(project, str(experiment))
    assert "channels: 5, as float32" in output
    rows = table(project, "x")
    found = {(row["arm"], row["task"]) for row in rows}
    networks = {(arm, task) for arm in ("random", "ibot", "hssl") for task in TASKS}
    assert found >= networks | {("pixels", "knn")}
    weights = read_arrays(project / "results/x/artifacts/pretrain-hssl-seed0/backbone.safetensors")
    assert weights[0]["patch_embed.weight"].shape == (96, 5 * 8 * 8)
    assert len(weights[1]["mean"]) == len(weights[1]["std"]) == 5
    page = (project / "results/x/report.html").read_text()
    assert "pictures show channels 0, 1, 2 as red, green and blue" in page


def test_several_labels_of_a_list_from_files_to_the_table(project, tmp_path):
    rng, lines = np.random.default_rng(0), ["Image Index,Finding Labels"]
    colours = {"red": (150, 0, 0), "green": (0, 150, 0), "blue": (0, 0, 150)}
    (tmp_path / "rays" / "images").mkdir(parents=True)
    for number in range(160):
        found = [name for name in colours if rng.random() < 0.4]
        light = sum((np.array(colours[name]) for name in found), np.zeros(3))
        pixels = (light + rng.integers(0, 100, (32, 32, 3))).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"rays/images/{number}.png")
        lines.append(f"{number}.png,{'|'.join(found) or '[]'}")
    (tmp_path / "rays" / "labels.csv").write_text("\n".join(lines) + "\n")
    experiment = tmp_path / "x.toml"
    sections = 'label_shares = [0.5, 1.0]\n[data]\nsource = "rays"\n[finetune]\nlabel_shares = [1.0]\n'
    sections += "[finetune.view]\nimage_size = 32\nresize = 32\n[finetune.schedule]\nepochs = 2\n"
    sections += "batch_size = 32\nwarmup_epochs = 1\n"
    experiment.write_text(TWO_ARMS + sections)
    output = run(project, str(experiment))
    assert "columns 'Image Index' and 'Finding Labels', several for each image" in output
    rows = table(project, "x")
    headlines = {(row["arm"], row["task"]): row for row in rows if row["metric"] == "map"}
    tasks = {"knn", "knn-50%", "linear", "logistic", "logistic-50%", "finetune"}
    assert set(headlines) == {(arm, task) for arm in ("random", "hssl", "prevalence") for task in tasks}
    for (arm, _), row in headlines.items():
        assert 0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1
        assert (row["difference_ci_low"] is None) == (arm == "random")
    for task in tasks - {"finetune"}:
        low, _ = headlines["hssl", task]["floors"]["prevalence"]
        assert low > 0, "colours are told from nothing"
    assert {"f1_macro", "f1_micro", "ap_red", "ap_green", "ap_blue"} <= {row["metric"] for row in rows}
    page = (project / "results/x/report.html").read_text()
    assert "AP of each class" in page
    assert "x: 0 of" in run(project, str(experiment))
