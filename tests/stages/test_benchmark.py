"""The benchmark's command at toy size."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages.benchmark import main

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; "  # as if it were not installed


def benchmark(folder: Path, *options: str, code: str = "") -> list[dict]:
    program = f"{code}from stages.benchmark import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {program}", *options, "size=toy", f"results={folder}"],
        cwd=ROOT, capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "benchmark.md").is_file()
    return json.loads((folder / "benchmark.json").read_text())


@pytest.mark.slow
def test_a_row_beside_torch(tmp_path):
    pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    (entry,) = benchmark(tmp_path, "rows=step-small", "repeats=2")
    assert entry["ours"] > 0
    assert entry["ratio"] == pytest.approx(entry["ours"] / entry["other"])
    assert 0 < entry["peak_share"] < 1
    assert entry["repeats"] == 2
    assert entry["peak_rss_mib"] > 20


@pytest.mark.slow
def test_growth_and_rows_that_need_nothing_else(tmp_path):
    entries = benchmark(tmp_path, "rows=knn-sklearn,linear,augment-pillow,no-op,scaling", "repeats=2")
    assert [entry["name"] for entry in entries] == ["augment-pillow", "knn-sklearn", "linear", "no-op"]
    assert all(entry["ratio"] > 0 for entry in entries[:3])
    assert "ViT-B/16" in (tmp_path / "scaling.md").read_text()


@pytest.mark.slow
def test_rows_of_ours_alone(tmp_path):
    entries = benchmark(tmp_path, "rows=wait,monitor,shard,coco", "repeats=2")
    units = {"shard": "s", "coco": "s", "wait": "% of time", "monitor": "% of time"}
    assert {entry["name"]: entry["unit"] for entry in entries} == units
    assert all(entry["ours"] >= 0 for entry in entries)


@pytest.mark.slow
def test_a_row_without_torch(tmp_path):
    (entry,) = benchmark(tmp_path, "rows=step-small", "repeats=2", code=WITHOUT_TORCH)
    assert entry["ours"] > 0
    assert (entry["other"], entry["note"]) == (None, "not installed: torch")


@pytest.mark.parametrize("option", ["rows=nothing", "wrong=1", "repeats=many", "size=large", "size=huge"])
def test_mistakes_are_said(option):
    command = [sys.executable, "-m", "stages.benchmark", option]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("rows=quality", "size=huge"), "size can only be 'toy' or 'large', got 'huge'"),
        (("rows=quality", "size=large"), "size=large: expected rows=scaling, which alone has it"),
        (("rows=quality", "size=toy", "experiment=smoke"), "size=toy has an experiment of its own"),
        (("rows=quality", "repeats=3"), "no option repeats; there are rows, experiment, size, results"),
        (("repeats=many",), "repeats=many: expected a whole number, 1 or more"),
        (("rows=nonsense",), "rows=nonsense: no such row"),
    ],
)
def test_what_cannot_be_measured_is_refused(capsys, options, message):
    assert main(list(options)) == 1
    assert message in capsys.readouterr().err
