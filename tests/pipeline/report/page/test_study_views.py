import pytest

from pipeline.report.page.study_views import study_view
from pipeline.studies.files import number, text, write_study


def a_line(name, cka, gain, low=None, high=None):
    return {"name": name, "cka": cka, "knn_gain": gain, "knn_gain_ci_low": low, "knn_gain_ci_high": high}


@pytest.fixture
def ablation(tmp_path):
    lines = [
        a_line("ibot", None, None),
        a_line("hssl", 0.5, 0.026, 0.01, 0.04),
        a_line("<deep>", 0.25, -0.01),
    ]
    columns = [text("variant", "name"), number("1 - CKA", "cka")]
    write_study(tmp_path, "ablate", lines, columns, ["nothing shown"], extra={"confidence": 0.9})
    return tmp_path


def test_the_page_has_the_table_that_people_read(ablation):
    found = study_view("ablate", ablation, 0.9)
    assert (found.headers, found.sentences) == (["variant", "1 - CKA"], ["nothing shown"])
    assert found.rows == [["ibot", ""], ["hssl", "0.500"], ["<deep>", "0.250"]]


def test_heads_that_have_both_are_drawn_gain_over_discrepancy(ablation):
    (figure,) = study_view("ablate", ablation, 0.9).figures
    assert figure.name == "ablate-knn-gains"
    assert "90 % interval" in figure.caption
    assert figure.spec["data"]["values"] == [
        {"head": "hssl", "1 - CKA": 0.5, "gain": pytest.approx(2.6), "low": 1.0, "high": 4.0},
        {"head": "<deep>", "1 - CKA": 0.25, "gain": -1.0, "low": None, "high": None},
    ]
    assert "hssl +2.6 at 0.50" in figure.alt
    assert figure.svg.count('aria-roledescription="point"') == 2


def test_a_study_without_gains_has_no_figure(tmp_path):
    lines = [{"name": "deep", "cka": 0.5, "cosine": 0.1}]
    write_study(tmp_path, "search", lines, [text("candidate", "name")], [], extra={})
    assert study_view("search", tmp_path, 0.95).figures == []
