import shutil
import subprocess

import numpy as np
import pytest

from pipeline.config.tables import TablesConfig
from pipeline.report.table_files import write_tables
from pipeline.report.tables import table_lines
from tests.pipeline.report.test_tables import row

ENGINE = shutil.which("pdflatex") or shutil.which("lualatex") or shutil.which("xelatex")
NASTY = r"a_b & 50 % {of} #1 $x$ ~ ^ \input{x} <y> |z| 'é' ±"


def written(folder, cautions=(), made_with=(), **changes):
    config = TablesConfig(experiment="e", arms=("ibot", "hssl"), baseline="ibot", subjects=("hssl",))
    outcomes = {"ibot": np.arange(8) < 4, "hssl": np.arange(8) < 6}
    rows = [row(arm, of, seed, **changes) for arm, of in outcomes.items() for seed in (0, 1)]
    write_tables(folder, table_lines(rows, config), config, made_with=made_with, cautions=cautions)


@pytest.mark.skipif(ENGINE is None, reason="no TeX engine is installed")
def test_latex_compiles_whatever_the_names_are(tmp_path):
    written(tmp_path, dataset=NASTY, split=NASTY, protocol=NASTY)
    document = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\begin{document}\tiny"
    (tmp_path / "paper.tex").write_text(document + "\n\\input{table}\n\\end{document}\n")
    command = [ENGINE, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF-")


def test_no_name_becomes_a_command_of_latex(tmp_path):
    written(tmp_path, dataset=r"\input{x} a & b")
    text = (tmp_path / "table.tex").read_text()
    assert r"\textbackslash{}input\{x\} a \& b" in text
    assert r"\input" not in text


def test_no_sentence_leaves_its_comment(tmp_path):
    written(tmp_path, made_with=["jittor 1.3\n\\b", "9 %"])
    lines = (tmp_path / "table.tex").read_text().splitlines()
    assert r"% Computed with jittor 1.3 \b, 9 percent." in lines
    after = lines[lines.index(r"\end{tabular}") + 1 :]
    assert all(line.startswith("% ") for line in after if line)


def test_latex_says_what_it_needs(tmp_path):
    written(tmp_path)
    assert (tmp_path / "table.tex").read_text().startswith(r"% Needs \usepackage{booktabs}; ")


def test_what_is_wrong_with_the_data_stands_below_the_table_and_in_markdown(tmp_path):
    written(tmp_path, cautions=["Caution: of 9 test images."])
    for name in ("table.txt", "table.md"):
        text = (tmp_path / name).read_text()
        assert text.index("Is it enough?") < text.index("Caution: of 9 test images.")
