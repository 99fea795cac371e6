"""What the Tab key completes, by running the shells."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest

from pipeline.config.reading import preset_names
from pipeline.export.formats import FORMATS
from pipeline.graph.command_options import OPTIONS
from pipeline.pretrain.methods.settings import ARMS
from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "completion"
ASK = """
. "{folder}/completion.bash"
COMP_LINE={line}; COMP_POINT=${{#COMP_LINE}}; _hssl_complete; printf '%s\\n' "${{COMPREPLY[@]}}"
"""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash is installed")


def completed(line, cwd=ROOT, setup=""):
    script = setup + ASK.format(folder=FOLDER, line=f"'{line}'")
    done = subprocess.run(["bash", "-c", script], cwd=cwd, capture_output=True, text=True, timeout=100)
    assert done.stderr == ""
    return done.stdout.split()


def values(option):
    script = f'. "{FOLDER}/options.sh"; _hssl_values {option} "{ROOT}"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=100, check=True)
    return done.stdout.split()


def test_every_option_is_completed_after_a_command():
    assert {*completed("doit run all ")} == {f"{name}=" for name in OPTIONS}
    assert completed("doit run compare expe") == ["experiment=", "experiments="]
    assert completed("doit run a") == completed("doit list ") == [], "there stands a command's name"


def test_values_are_those_that_there_are():
    assert {*values("arm")} == {*ARMS}
    assert {*values("experiment")} == {*preset_names()}
    assert {*values("format")} == {*FORMATS, "npz", "csv", "parquet"}
    assert completed("doit run all experiment=sm") == ["smoke"]
    assert completed("doit run predict experiment=smoke task=s") == ["segment"]
    assert completed("doit run init hours=") == []


def test_files_of_experiments_and_folders_of_images_are_found(tmp_path):
    (tmp_path / "my.toml").touch()
    (tmp_path / "my.png").touch()
    (tmp_path / "photos").mkdir()
    assert completed("doit run all experiment=my", cwd=tmp_path) == ["my.toml"]
    assert completed("doit run init data=ph", cwd=tmp_path) == ["photos"]
    assert completed("doit run compare experiments=one,my", cwd=tmp_path) == ["one,my.toml"]


def test_where_equal_signs_end_no_word_the_whole_is_given():
    assert completed("doit run all experiment=sm", setup="COMP_WORDBREAKS=:\n") == ["experiment=smoke"]


def test_what_doit_completes_comes_first():
    doits = "_doit() { COMPREPLY=(embed export); }\n"
    assert completed("doit run all ex", setup=doits) == [
        "embed",
        "export",
        "executor=",
        "experiment=",
        "experiments=",
    ]


def typed(command, keys, prompt, seconds=100):
    """What an interactive shell shows after keys, until the prompt's answer is there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", PS1="> ")
        os.execvp(command[0], command)
    shown, end = b"", time.monotonic() + seconds
    try:
        for text in keys:
            os.write(terminal, text.encode())
            while prompt not in shown and time.monotonic() < end:
                if select.select([terminal], [], [], 0.2)[0]:
                    # A shell that is still reading its start may ring the bell between letters.
                    shown += os.read(terminal, 4096).replace(b"\a", b"")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    return shown.decode(errors="replace")


def test_the_tab_key_of_bash():
    keys = [f". {FOLDER}/completion.bash\ndoit run all experiment=quicks\t"]
    shown = typed(["bash", "--norc", "--noprofile", "-i"], keys, b"experiment=quickstart ")
    assert "doit run all experiment=quickstart " in shown


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh is installed")
def test_the_tab_key_of_zsh():
    setup = f"autoload -Uz compinit; compinit -u -D; _doit() {{ }}; . {FOLDER}/completion.zsh\n"
    shown = typed(
        ["zsh", "-f", "-i"], [setup + "doit run all experiment=quicks\t"], b"experiment=quickstart "
    )
    assert "doit run all experiment=quickstart " in shown
