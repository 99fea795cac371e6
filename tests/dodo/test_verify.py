"""`doit run verify`: damage is named, and the next run makes again what was damaged, and no more."""

import hashlib
import json
import os

from tests.toy_stages.project import NUM_STAGES


def flip(path, place=5):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_damage_that_only_verify_sees_reruns_its_stage_only(project):
    done = project.doit("run", "verify")
    assert done.returncode == 0, done.stdout
    assert f"{NUM_STAGES} artifacts read: none damaged" in done.stdout
    folder = project.artifact("features-hssl-seed0")
    whole = (folder / "result.txt").read_bytes()
    flip(folder / "result.txt")
    assert project.ran() == []  # its size is as it was
    done = project.doit("run", "verify")
    assert done.returncode != 0
    expected = json.loads((folder / "stamp.json").read_text())["outputs"]["result.txt"]["sha256"]
    assert f"features:hssl-seed0: {folder}/result.txt: expected SHA-256 {expected}, found" in done.stdout
    assert f"{NUM_STAGES} artifacts read: 1 damaged" in done.stdout
    assert "found damaged" in project.doit("run", "plan").stdout
    assert project.ran() == ["features:hssl-seed0"]
    assert (folder / "result.txt").read_bytes() == whole
    assert project.doit("run", "verify").returncode == 0


def test_a_damaged_library_is_named_and_compiled_again(project):
    library = project.cache / "native" / "0123456789abcdef" / "libkernels.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"no library, so complete as it is " * 100)
    os.utime(library, (0, 0))
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    library.with_name("libkernels.so.sha256").write_text(f"{digest}  libkernels.so\n")
    done = project.doit("run", "verify")
    assert done.returncode == 0
    assert "1 compiled libraries, all as compiled" in done.stdout
    flip(library)
    done = project.doit("run", "verify")
    assert done.returncode != 0
    assert f"{library}: SHA-256 " in done.stdout
    assert "what is damaged is compiled again when needed" in done.stdout


def test_what_reads_a_damaged_input_runs_again_only_if_it_differs(project):
    """Damage to the data: they are prepared again, turn out equal, and nothing else runs."""
    flip(project.artifact("prepare-images") / "result.txt")
    assert project.doit("run", "verify").returncode != 0
    assert project.ran() == ["prepare:images"]
