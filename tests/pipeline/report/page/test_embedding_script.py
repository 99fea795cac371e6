import pytest

from pipeline.report.page import embedding_script as module


@pytest.fixture
def bundled(monkeypatch, tmp_path):
    """How often the script was bundled; kept scripts are in `tmp_path`."""
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path / "cache"))
    calls = []

    def bundle(snippet):
        calls.append(snippet)
        return f"/* vega */ {snippet}"

    monkeypatch.setattr(module.vl_convert, "javascript_bundle", bundle)
    return calls


def kept_file(tmp_path):
    (path,) = (tmp_path / "cache" / "page").iterdir()
    return path


def test_a_script_is_bundled_once_for_a_release(bundled, monkeypatch):
    scripts = [module.embedding_script() for _ in range(3)]
    assert {*scripts} == {"/* vega */ window.vegaEmbed = vegaEmbed;"}
    assert len(bundled) == 1
    monkeypatch.setattr(module, "version", lambda package: "0.0")
    assert module.embedding_script() == scripts[0]
    assert len(bundled) == 2


@pytest.mark.parametrize("damage", [lambda text: text[:40], lambda text: text.replace("vega ", "evil ")])
def test_a_damaged_script_is_bundled_again(bundled, tmp_path, damage):
    script = module.embedding_script()
    path = kept_file(tmp_path)
    path.write_text(damage(path.read_text()))
    assert module.embedding_script() == script
    assert module.embedding_script() == script
    assert len(bundled) == 2


def test_without_a_folder_for_it_the_script_is_bundled_each_time(bundled, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HSSL_CACHE", str(tmp_path / "file"))
    assert module.embedding_script() == module.embedding_script()
    assert len(bundled) == 2
