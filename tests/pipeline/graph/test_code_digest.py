from pathlib import Path

import pytest

from pipeline.graph.code_digest import CodeDigests

INNER = "def run():\n    import pipeline.inner\n"


@pytest.fixture
def root(tmp_path) -> Path:
    files = {
        "stages/__init__.py": "",
        "stages/knn.py": '"""Doc."""\nfrom pipeline.evaluate import knn\n' + INNER,
        "pipeline/__init__.py": "",
        "pipeline/inner.py": "VALUE = 1\n",
        "pipeline/unrelated.py": "VALUE = 1\n",
        "pipeline/evaluate/__init__.py": "",
        "pipeline/evaluate/knn.py": "from . import distances\nfrom pipeline.storage.files import write\n",
        "pipeline/evaluate/distances.py": "from pipeline.native.build import build_library\n",
        "pipeline/storage/files.py": "import pipeline.unrelated\n",
        "pipeline/native/__init__.py": "",
        "pipeline/native/build.py": "FLAGS = 1\n",
        "pipeline/native/a.cpp": "int x;\n",
        "pipeline/native/a.h": "int x;\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_closure_follows_every_import_but_of_neutral_modules(root):
    assert sorted(CodeDigests(root).parts("stages.knn")) == [
        "pipeline/__init__.py", "pipeline/evaluate/__init__.py", "pipeline/evaluate/distances.py",
        "pipeline/evaluate/knn.py", "pipeline/inner.py", "pipeline/native/__init__.py",
        "pipeline/native/a.cpp", "pipeline/native/a.h", "pipeline/native/build.py", "stages/knn.py",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "text", "same"),
    [
        ("pipeline/inner.py", '"""A docstring."""\n\n# and a comment\nVALUE    =   (1)\n', True),
        ("pipeline/inner.py", "VALUE = 2\n", False),
        ("pipeline/unrelated.py", "VALUE = 2\n", True),
        ("pipeline/storage/files.py", "VALUE = 2\n", True),
        ("pipeline/native/a.h", "int y;\n", False),
        ("stages/knn.py", '"""Doc."""\nfrom pipeline.evaluate import knn\n', False),
    ],
)
def test_what_changes_the_digest(root, file, text, same):
    memo = root / "memo.json"
    digests = CodeDigests(root, memo)
    before = digests.digest("stages.knn")
    digests.save()
    (root / file).write_text(text)
    assert (CodeDigests(root, memo).digest("stages.knn") == before) is same
    assert CodeDigests(root, memo).digest("stages.knn") == CodeDigests(root).digest("stages.knn")


def test_an_unchanged_file_is_not_read_again(root):
    digests = CodeDigests(root, root / "memo.json")
    before = digests.digest("stages.knn")
    digests.save()
    for path in root.rglob("*.py"):
        path.chmod(0o000)
    assert CodeDigests(root, root / "memo.json").digest("stages.knn") == before


def test_a_memo_may_be_written_while_another_thread_reads_files(root, monkeypatch):
    digests, written = CodeDigests(root, root / "memo.json"), []
    digests.digest("pipeline.inner")

    def write_slowly(path, value):
        before = set(value)
        digests.digest("stages.knn")
        written.append(set(value) == before)

    monkeypatch.setattr("pipeline.graph.code_digest.write_memo", write_slowly)
    digests.save()
    digests.save()  # what came in between
    digests.save()
    assert written == [True, True]


def test_a_missing_stage_is_named(root):
    with pytest.raises(FileNotFoundError, match=r"stages\.none"):
        CodeDigests(root).digest("stages.none")


def test_what_a_stage_takes_from_the_benchmarks_is_in_its_digest(root):
    (root / "benchmarks").mkdir()
    (root / "benchmarks" / "rates.py").write_text("RATE = 1\n")
    (root / "stages" / "rated.py").write_text("from benchmarks.rates import RATE\n")
    before = CodeDigests(root)
    assert sorted(before.parts("stages.rated")) == ["benchmarks/rates.py", "stages/rated.py"]
    assert before.libraries("stages.rated") == set()
    digest = before.digest("stages.rated")
    (root / "benchmarks" / "rates.py").write_text("RATE = 2\n")
    assert CodeDigests(root).digest("stages.rated") != digest


def test_an_edit_after_a_digest_is_seen_by_one_taken_now(root):
    digests = CodeDigests(root)
    before = digests.digest("stages.knn")
    assert digests.now().digest("stages.knn") == before
    (root / "pipeline/inner.py").write_text("VALUE = 20\n")
    assert digests.digest("stages.knn") == before
    assert digests.now().digest("stages.knn") == CodeDigests(root).digest("stages.knn") != before


def test_the_templates_of_the_report_are_its_code():
    digests, folder = CodeDigests(Path(__file__).resolve().parents[3]), "pipeline/report/page/templates"
    found = {path for path in digests.parts("stages.report") if path.startswith(folder)}
    assert {f"{folder}/report.html.jinja", f"{folder}/report.css", f"{folder}/report.js"} <= found
    assert not any(path.startswith(folder) for path in digests.parts("stages.tables"))
