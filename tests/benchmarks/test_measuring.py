import ast
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.disturbance import Disturbance
from benchmarks.measuring import Found, absent, remarks, row_entry
from benchmarks.programs import PROGRAMS
from benchmarks.report import write_report
from benchmarks.row import Row, Target
from benchmarks.rows import ROWS, chosen_rows
from benchmarks.side_by_side import Measured, SideBySide
from pipeline.runtime.processor import multiplies_bfloat16

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"name", "unit", "ours", "other", "other_name", "ratio"}
KEYS |= {"peak_share", "peak_rss_mib", "repeats", "spread"}


def row(**changes) -> Row:
    given = Row(
        "r", "a row", "s", ours="a", other="b", other_name="B", targets=(Target("ratio", at_least=2),)
    )
    return replace(given, **changes)


def entry(of: Row, ours=(1.0, 1.0), other=(3.0, 3.0), peak_gflops=10.0, **more):
    theirs = None if other is None else Measured(other)
    compared = SideBySide(Measured(ours), theirs, (), more.pop("idle_share", 0.0))
    memory = None if other is None else 200.0
    found = Found(compared, 100.0, more.pop("extra", {}), memory, **more)
    return row_entry(of, found, peak_gflops)


def verdicts(found):
    return [verdict["met"] for verdict in found["targets"]]


def test_a_ratio_above_one_means_that_ours_is_better():
    assert entry(row())["ratio"] == 3  # seconds: a third of the other's
    of_rate = row(items=lambda parameters: 12.0, unit="images/s", higher_is_better=True)
    found = entry(of_rate)
    assert (found["ours"], found["other"], found["ratio"]) == (12.0, 4.0, 3.0)
    slower = entry(of_rate, ours=(6.0,), other=(3.0,))
    assert slower["ratio"] == 0.5
    assert (verdicts(found), verdicts(slower)) == ([True], [False])


def test_share_of_peak():
    found = entry(row(flops=lambda parameters: 5e9))
    assert (found["peak_share"], found["gflops"], found["flops"]) == (0.5, 5.0, 5e9)
    assert entry(row(flops=lambda parameters: 5e9), peak_gflops=None)["peak_share"] is None


def test_a_missed_ratio_is_set_against_the_peak(tmp_path):
    at_half = row(flops=lambda parameters: 5e9, targets=(Target("ratio", at_least=4),))
    entries = [entry(at_half), entry(row(flops=lambda parameters: 5e9))]
    assert [found["ratio_at_peak"] for found in entries] == [6, 6]
    write_report(tmp_path, entries, {})
    text = (tmp_path / "benchmark.md").read_text()
    assert text.count("at the matmul peak it would be") == 1  # the other one meets its target
    assert "r: ratio 3.00; with every operation of ours at the matmul peak it would be 6.00" in text


def test_targets_of_any_number():
    alone = row(other=None, other_name=None, targets=(Target("ours", at_most=2),))
    assert verdicts(entry(alone, other=None)) == [True]
    assert verdicts(entry(alone, ours=(3.0,), other=None)) == [False]
    of_memory = row(targets=(Target("memory_ratio", at_most=0.8), Target("peak_rss_mib", at_most=99)))
    assert verdicts(entry(of_memory)) == [True, False]
    of_extra = row(targets=(Target("beside_bank_mib", at_most=256),))
    assert verdicts(entry(of_extra, extra={"beside_bank_mib": 300.0})) == [False]
    assert of_extra.targets[0].description == "beside_bank_mib <= 256"


def test_what_is_absent_is_null_and_said():
    found = entry(row(needs=("no_such_package",)), other=None, why_no_other="not installed: no_such_package")
    assert (found["other"], found["ratio"], verdicts(found)) == (None, None, [None])
    assert found["note"] == "not installed: no_such_package"
    assert absent(row(needs=("no_such_package", "json"))) == "not installed: no_such_package"


def test_a_process_that_is_not_idle_while_the_other_is_measured_is_noted():
    assert entry(row(), idle_share=0.02)["note"] is None
    assert entry(row(), idle_share=0.5)["note"] == "the idle process used 50 % of a core"


def test_noise_is_a_remark_of_its_own_beside_the_note():
    found = entry(row(), other=None, why_no_other="no other", disturbance=Disturbance(0.1, 0.2))
    assert found["note"] == "no other"
    assert remarks(found) == [
        "no other",
        "a noisy measurement: the host took 10% of the processors' time and other programs 20%",
    ]
    assert remarks(entry(row())) == []


def test_bfloat16_is_told_by_the_processor_s_flags(tmp_path):
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu avx512_bf16 sse\n")
    assert multiplies_bfloat16(tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu avx512f\n")
    assert not multiplies_bfloat16(tmp_path / "cpuinfo")


def test_both_files(tmp_path):
    profile = [{"operation": "linear", "milliseconds": 3.0, "share": 0.75}]
    entries = [entry(row(), profile=profile), entry(row(name="alone"), other=None)]
    write_report(tmp_path, entries, {"processor": "P"})
    entries = json.loads((tmp_path / "benchmark.json").read_text())
    assert [KEYS - set(found) for found in entries] == [set(), set()]
    assert entries[0]["spread"] == [1.0, 1.0]
    text = (tmp_path / "benchmark.md").read_text()
    assert "- processor: P" in text
    assert re.search(r"\| r +\| s +\| 1 .* 3.00 +\| ratio >= 2 +\| yes ", text)
    assert "## Top operations of r" in text
    assert "75.0%" in text


def test_rows_name_known_programs_and_are_chosen_by_prefix():
    assert len({found.name for found in ROWS}) == len(ROWS)
    for found in ROWS:
        assert found.ours in PROGRAMS
        assert found.other is None or found.other in PROGRAMS
    assert {found.name for found in chosen_rows("step")} == {n.name for n in ROWS if n.name[:4] == "step"}
    assert [found.name for found in chosen_rows("step-small, knn-faiss")] == ["step-small", "knn-faiss"]
    assert [found.name for found in chosen_rows("knn")] == ["knn-sklearn", "knn-faiss"]
    of_all = {found.name for found in chosen_rows(None)}
    assert "step-small" in of_all
    assert "step-small-compiled" not in of_all  # a minute of PyTorch's compiler; only where it is asked for
    with pytest.raises(ValueError, match="rows=stop: no such row"):
        chosen_rows("stop")
    assert chosen_rows("step-small", toy=True)[0].parameters["size"] == "toy"
    assert {found.profile for found in chosen_rows("step-small,step-vit-small", profile=True)} == {"always"}
    assert {found.profile for found in chosen_rows("knn", profile=True)} == {"never"}


def test_every_program_is_there():
    for name, program in PROGRAMS.items():
        module, _, found = program.path.partition(":")
        path = ROOT / f"{module.replace('.', '/')}.py"
        classes = {node.name for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.ClassDef)}
        assert found in classes, name
