import builtins
from pathlib import Path

import pytest

from pipeline.datasets.tables.records import header, records


@pytest.fixture
def table(tmp_path):
    def write(text: str, name: str = "list.csv") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("path,label\na.png,cat\nb.png,dog\n", [(2, "a.png", "cat"), (3, "b.png", "dog")]),
        ("a.png,cat\n\nb.png,dog\n", [(1, "a.png", "cat"), (3, "b.png", "dog")]),
        ("\ufeffpath; label\na.png; cat\n", [(2, "a.png", "cat")]),
    ],
)
def test_rows_have_their_line_and_the_file_is_opened_once(table, monkeypatch, text, rows):
    file, opened, original = table(text), [], builtins.open
    monkeypatch.setattr(builtins, "open", lambda *args, **more: opened.append(1) or original(*args, **more))
    assert [(line, row["path"], row["label"]) for line, row in records(file)] == rows
    assert len(opened) == 1


def test_a_line_with_too_few_cells_is_named(table):
    file = table("path,label\na.png,cat\nb.png\n")
    with pytest.raises(ValueError, match=r"list\.csv, line 3: expected 2 columns, found 1"):
        list(records(file))


@pytest.mark.parametrize("text", ["", "\n", "path,path\n", ",\n"])
def test_without_names_there_are_no_columns(table, text):
    with pytest.raises(ValueError, match="expected distinct names of columns in the first line"):
        header(table(text))


def test_text_that_is_not_utf_8_is_an_error(tmp_path):
    (tmp_path / "list.csv").write_bytes("path,label\ncaf\u00e9.png,x\n".encode("utf-16"))
    for read in (header, lambda file: list(records(file))):
        with pytest.raises(ValueError, match=r"list\.csv: expected text in UTF-8"):
            read(tmp_path / "list.csv")
