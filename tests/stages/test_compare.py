import re

import numpy as np
import pytest

from stages import compare
from tests.pipeline.report.comparison.conftest import datasets  # noqa: F401
from tests.pipeline.report.comparison.made import publish

HALF = np.arange(40) % 2 == 0


@pytest.fixture
def results(datasets, tmp_path, monkeypatch):  # noqa: F811
    of = {("ibot", 0): HALF, ("hssl", 0): HALF}
    long = {"schedule": {"epochs": 20}, "data": {"source": "<b>&"}}
    publish(
        tmp_path, "long", datasets["first"], {**of, ("hssl", 0): HALF | (np.arange(40) < 8)}, settings=long
    )
    publish(tmp_path, "short", datasets["first"], of, settings={"schedule": {"epochs": 3}})
    publish(tmp_path, "another", datasets["other"], of)
    monkeypatch.setattr(compare, "RESULTS", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_differs_is_printed_and_a_page(results, capsys):
    assert compare.main(["experiments=short,long"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"schedule.epochs +3 +20\n", printed)
    assert re.search(r"knn +top1 +hssl +50.0 \[.*\] +60.0 \[.*\] +\+10.0 \[\+\d", printed)
    answer = "long \N{MINUS SIGN} short, HSSL: +10.0 points k-NN top-1 [+"
    judged = "], better at these seeds, on these machines; of 1 task: 1 better."
    assert re.search(f"^{re.escape(answer)}.*{re.escape(judged)}$", printed, re.MULTILINE)
    assert re.search(r"iBOT: \+0.0 points .*\], no difference shown; of 1 task: 1 not told apart", printed)
    assert "not compared" not in printed
    assert "long: commit c0ffee, cpu, python 3.11.7, numpy 1.26; 2026-01-02" in printed
    page = (results / "compare" / "short+long.html").read_text()
    assert answer in page
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert "doit run compare experiments=short,long" in page


def test_settings_that_are_numbers_order_the_rows(results, capsys):
    assert compare.main(["experiments=long,short", "by=config", "out=x.html"]) == 0
    printed = capsys.readouterr().out
    rows = [line.split()[:3] for line in printed.splitlines() if line.startswith(("ibot", "hssl"))]
    assert [row[:2] for row in rows] == [
        ["ibot", "short"],
        ["ibot", "long"],
        ["hssl", "short"],
        ["hssl", "long"],
    ]
    assert (results / "x.html").is_file()


def test_data_sets_are_columns_with_each_arms_gain(results, capsys):
    assert compare.main(["experiments=long,another", "by=dataset"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"task +metric +arm +first \(%\) +other \(%\)", printed)
    assert re.search(r"hssl +60.0 \[.*\] \+10.0 \[.*\] vs ibot +50.0 \[.*\] \+0.0 \[.*\] vs ibot", printed)
    assert "another and long are not compared in knn: other test images" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: doit run compare experiments=A,B"),
        (["experiments=short,long", "by=seed"], "by=seed: expected arm, dataset, config"),
        (["experiments=short,missing"], "missing: expected a name in"),
    ],
)
def test_a_mistake_is_a_line_and_no_page(results, capsys, arguments, message):
    assert compare.main(arguments) == 1
    assert message in capsys.readouterr().err
    assert not (results / "compare").exists()
