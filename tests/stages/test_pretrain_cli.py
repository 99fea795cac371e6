"""The published command line from flags to a backbone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages import pretrain_cli

ROOT = Path(__file__).resolve().parents[2]
# A network that the published names allow, at 224 pixels in 4 x 4 patches.
FLAGS = """--arch vit_tiny --patch_size 56 --auxiliary_depth 1 --out_dim 16 --patch_out_dim 24
    --shared_head false --shared_head_teacher false --norm_last_layer false --norm_in_head bn
    --act_in_head relu --optimizer lars
    --pred_ratio 0 0.3 --pred_ratio_var 0 0.2 --pred_start_epoch 1 --batch_size 4 --epochs 3 --warmup_epochs 1
    --saveckp_freq 1 --freeze_last_layer 1 --num_workers 1"""


@pytest.fixture
def images(tmp_path) -> Path:
    """Eight images of two classes, as an ImageFolder."""
    rng = np.random.default_rng(0)
    for index in range(8):
        folder = tmp_path / "images" / f"class{index % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, size=(64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path / "images"


def test_a_bad_flag_leaves_no_file(images, tmp_path, capsys):
    for words, message in (
        (["--no_flag", "1"], "unrecognized arguments: --no_flag"),
        (["--batch_size", "0"], "argument --batch_size"),
        (["--load_from", "none.safetensors"], "argument --load_from: no such file"),
    ):
        with pytest.raises(SystemExit) as end:
            pretrain_cli.main(["--data_path", str(images), "--output_dir", str(tmp_path / "out"), *words])
        assert end.value.code == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_users_file_is_not_replaced_by_a_link(tmp_path):
    artifact, output = tmp_path / "artifact", tmp_path / "out"
    for folder in (artifact, output):
        folder.mkdir()
        (folder / "backbone.safetensors").write_text(folder.name)
    with pytest.raises(FileExistsError, match=r"out/backbone.safetensors is in the way"):
        pretrain_cli.linked([artifact], output)
    assert (output / "backbone.safetensors").read_text() == "out"


@pytest.mark.slow
def test_from_flags_to_a_backbone_and_again_without_computing(images, tmp_path):
    project = tmp_path / "project"
    for folder in ("pipeline", "stages"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, project / folder, ignore=ignored)
    shutil.copy(ROOT / "dodo.py", project)
    output = tmp_path / "out"

    def run(*more) -> str:
        flags = [*FLAGS.split(), "--data_path", str(images), "--output_dir", str(output), *more]
        command = [sys.executable, "-m", "stages.pretrain_cli", *flags]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done.stdout

    first = run("--local_rank", "0")
    assert first.count("--local_rank: accepted without effect") == 1
    files = {"backbone.safetensors", "student.safetensors", "backbone-epoch001.safetensors", "loss.png"}
    files |= {"backbone-epoch002.safetensors", "metrics.jsonl", "checkpoint.safetensors", "experiment.toml"}
    assert files <= {path.name for path in output.iterdir()}
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 6
    # No patch is hidden in epoch 0, so there is no loss on patches; later there may be.
    assert lines[0]["loss_base_patch"] == 0
    assert all(np.isfinite(line["loss"]) for line in lines)
    times = {name: os.stat(output / name).st_mtime_ns for name in files - {"experiment.toml"}}
    run()
    assert {name: os.stat(output / name).st_mtime_ns for name in times} == times

    # The file is an experiment as any other: its pretraining is there already.
    status = subprocess.run(
        [sys.executable, "-m", "doit", "run", "plan", f"experiment={output / 'experiment.toml'}"],
        cwd=project, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert status.returncode == 0, status.stderr
    assert "pretrain:ibot-seed0" in status.stdout
    assert "pretrain:hssl-seed0" not in status.stdout
