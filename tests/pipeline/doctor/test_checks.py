import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config.data import DataConfig
from pipeline.config.dense import DetectionSection, SegmentationSection
from pipeline.config.experiment import Experiment
from pipeline.config.stages import RuntimeConfig
from pipeline.doctor import checks as doctor
from pipeline.doctor import code_files
from pipeline.doctor.checks import Check, cheap_checks, failures, stops, table_rows
from pipeline.doctor.ranks import mpi_checks
from pipeline.runtime import start_jittor
from pipeline.runtime.compiled_libraries import Libraries
from pipeline.runtime.cuda import checks as cuda_checks
from pipeline.runtime.cuda import products
from pipeline.runtime.cuda.products import Product
from pipeline.runtime.jittor_files import JittorFiles
from pipeline.runtime.start_jittor import StartReport

ROOT = Path(__file__).resolve().parents[3]


def named(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def test_this_machine_passes_without_starting_jittor(tmp_path):
    code = (
        "import sys; from pathlib import Path; from pipeline.config.reading import read_experiment;"
        "from pipeline.doctor.checks import cheap_checks, stops;"
        f"assert not stops(cheap_checks(read_experiment('smoke'), Path({str(tmp_path)!r})));"
        "assert not {'jittor', 'sklearn', 'skimage', 'matplotlib', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_cheap_checks_are_cheap(experiment, tmp_path):
    cheap_checks(experiment, tmp_path)  # imports Pillow
    started = time.process_time()  # of the processor, for a busy machine's clock runs on
    cheap_checks(experiment, tmp_path)
    assert time.process_time() - started < 0.2


def test_absent_data_stops_with_a_remedy(experiment, tmp_path):
    absent = experiment.model_copy(update={"data": DataConfig(source=str(tmp_path / "absent"))})
    check = named(cheap_checks(absent, tmp_path), "data")
    assert check.ok is False
    assert str(tmp_path / "absent") in check.found
    assert "data.source" in check.remedy
    (tmp_path / "absent").mkdir()
    assert not stops(cheap_checks(absent, tmp_path))


def test_no_compiler_stops(experiment, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    check = named(cheap_checks(experiment, tmp_path), "C++ compiler")
    assert check.ok is False
    assert "apt-get install g++" in check.remedy


def test_numpy_2_stops(experiment, tmp_path, monkeypatch):
    versions = {"numpy": "2.1.0", "pillow": "11.0", "jittor": "1.3.11.0"}
    monkeypatch.setattr(doctor, "_version", versions.get)
    assert named(cheap_checks(experiment, tmp_path), "NumPy below 2").ok is False


def test_cuda_is_needed_only_where_it_was_asked_for(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(cuda_checks, "installed_driver", lambda: None)
    assert named(cheap_checks(experiment, tmp_path), "CUDA").ok is True
    asked = experiment.model_copy(update={"runtime": RuntimeConfig(device="cuda")})
    assert named(cheap_checks(asked, tmp_path), "CUDA").ok is False


def test_missing_onednn_is_a_warning(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "onednn_paths", lambda: None)
    checks = cheap_checks(experiment, tmp_path)
    assert named(checks, "oneDNN").ok is None
    assert not stops(checks)


def test_little_memory_and_disk(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_available_memory", lambda: 2**29)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: Usage())
    checks = cheap_checks(experiment, tmp_path / "not" / "yet")
    assert named(checks, "memory").ok is None
    assert named(checks, "disk").ok is False


def test_results_that_cannot_be_written(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)  # root may write anywhere
    check = named(cheap_checks(experiment, tmp_path), "disk")
    assert (check.ok, check.found) == (False, f"{tmp_path} cannot be written")


def test_results_on_a_disk_that_is_not_there(experiment, tmp_path):
    (tmp_path / "artifacts").symlink_to(tmp_path / "disk" / "artifacts")
    check = named(cheap_checks(experiment, tmp_path), "disk")
    assert check.ok is False
    expected = f"expected a folder {tmp_path}/artifacts, found a link to {tmp_path}/disk/artifacts"
    assert check.found == f"{expected}, which is not there"
    (tmp_path / "disk" / "artifacts").mkdir(parents=True)
    assert named(cheap_checks(experiment, tmp_path), "disk").ok is not False


def test_a_limit_of_addresses_is_named_with_what_it_ends(experiment, tmp_path, monkeypatch):
    """In a process that has it."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30,) * 2);"
        "from pathlib import Path; from pipeline.config.reading import read_experiment;"
        "from pipeline.doctor.checks import cheap_checks, stops;"
        f"checks = cheap_checks(read_experiment('smoke'), Path({str(tmp_path)!r}));"
        "check, = [check for check in checks if check.name == 'address space'];"
        "print(check.ok, check.found, check.remedy, stops(checks))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("None 6.0 GiB allowed by RLIMIT_AS"), done.stderr
    assert "the report's charts need 128 GiB" in done.stdout
    assert done.stdout.endswith("False\n")
    monkeypatch.setattr(doctor, "address_space", lambda: float("inf"))
    assert named(cheap_checks(experiment, tmp_path), "address space").ok is True


class Usage:
    free = 2**20


def test_remedies_stand_only_beside_what_needs_them():
    rows = table_rows([Check("a", True, "x", "r"), Check("b", None, "y", "r"), Check("c", False, "z", "r")])
    assert rows == [("a", "ok", "x", ""), ("b", "warning", "y", "r"), ("c", "FAILED", "z", "r")]


def run_doctor(experiment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "stages.doctor", experiment]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_table_names_speed_and_leaves_with_0(jt):
    done = run_doctor("smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GFLOP/s" in done.stdout
    assert "FAILED" not in done.stdout


def test_an_experiment_that_does_not_exist_leaves_with_1():
    done = run_doctor("absent.toml")
    assert done.returncode == 1
    assert "absent.toml" in done.stderr


def test_every_data_set_of_the_experiment_is_looked_for(experiment, tmp_path):
    dense = experiment.model_copy(
        update={
            "segmentation": SegmentationSection(),
            "detection": DetectionSection(data=DataConfig(source=str(tmp_path / "coco"))),
        }
    )
    checks = cheap_checks(dense, tmp_path)
    assert named(checks, "segmentation.data").ok is True
    absent = named(checks, "detection.data")
    assert absent.ok is False
    assert "detection.data.source" in absent.remedy


def test_a_task_that_a_further_data_set_cannot_serve_stops_before_anything_runs(experiment, tmp_path):
    for folder in ("annotations", "val2017"):
        (tmp_path / folder).mkdir()
    (tmp_path / "annotations/instances_val2017.json").write_text('{"images": [], "annotations": []}')
    settings = experiment.model_dump() | {"evaluate": [{"name": "cells", "data": {"source": str(tmp_path)}}]}
    checks = cheap_checks(Experiment.model_validate(settings), tmp_path)
    check = named(checks, "evaluate cells")
    assert check.ok is False
    assert check.found == "knn needs a class of every image, and the format coco has objects"
    assert named(checks, "evaluate.cells.data").ok


@pytest.mark.parametrize(("error", "ok"), [(1e-3, True), (1.0, False)])
def test_what_a_card_computes_is_timed_and_checked(experiment, monkeypatch, error, ok):
    """As Jittor's start and the products report it, on a card whose cuDNN does not work."""
    notes = ("cuDNN cannot be used (its version); slower",)
    report = StartReport("cuda", "H100 (cuda:1)", 2, None, False, Path(), notes, 1)
    monkeypatch.setattr(start_jittor, "start", lambda device, threads, say: report)
    monkeypatch.setattr(products, "timed_products", lambda: [Product("TF32", 400.0, error, 2e-3)])
    checks = doctor._jittor_runs(experiment, print)
    assert named(checks, "Jittor starts").found == "H100 (cuda:1), 2 thread(s)"
    convolutions, product = named(checks, "convolutions"), named(checks, "TF32 product")
    assert convolutions.ok is None
    assert "its version" in convolutions.found
    assert product.ok is ok
    assert product.found == f"400.0 TFLOP/s, relative error {error:.1e}"
    assert "driver, toolkit and card" in product.remedy


def test_hosts_that_are_wrong_or_do_not_answer_stop_a_run(monkeypatch, tmp_path):
    def lines(text: str, *, runs_here: bool = True) -> list[str]:
        (tmp_path / "hosts.txt").write_text(text)
        runtime = RuntimeConfig(devices=2, device="cpu", hosts=str(tmp_path / "hosts.txt"))
        return [line for line in failures(mpi_checks(runtime, runs_here=runs_here)) if "hosts:" in line]

    monkeypatch.setenv("PRTE_MCA_plm_ssh_agent", "false")  # in place of ssh: says nothing and fails
    assert lines("localhost slots=2\n") == []
    wrong = lines("a slots=0\nb\nb\n")
    assert [line.partition(", line ")[2][:1] for line in wrong] == ["1", "3"]
    (nowhere,) = lines("localhost\nnowhere slots=2\n")
    assert "line 2: expected" in nowhere
    assert lines("nowhere\n", runs_here=False) == []  # nodes ask their own


def test_damaged_code_is_a_warning_that_names_it(monkeypatch):
    """What was compiled is compiled again; an edited Jittor may be meant, one that lacks a file is none."""
    damaged = Libraries(154, 0, {Path("/cache/a.so"): "half-written"})
    monkeypatch.setattr(code_files, "read_all", lambda: damaged)
    check = code_files.compiled_libraries_check()
    assert (check.ok, check.found) == (None, "/cache/a.so: half-written; the other 154 are as compiled")
    edited = JittorFiles("1.3.11.0", 818, ("nn.py: expected 5 bytes, found 6",), num_missing=0)
    monkeypatch.setattr(code_files, "jittor_files", lambda content: edited)
    assert code_files.jittor_files_check().ok is None
    monkeypatch.setattr(code_files, "jittor_files", lambda content: replace(edited, num_missing=1))
    check = code_files.jittor_files_check()
    assert check.ok is False
    assert check.found == "nn.py: expected 5 bytes, found 6"
    assert "pip install --force-reinstall" in check.remedy
