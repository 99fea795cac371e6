"""What a name from a data set may not do to a terminal."""

import io
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pipeline.graph.printable import printable, printable_output
from pipeline.graph.stage_output import FileOutput, TerminalOutput
from pipeline.graph.stage_runner import exit_code_of
from pipeline.storage.files import partial_of


def test_a_refusal_does_not_obey_the_names_in_it(capsys):
    def refuse():
        raise FileNotFoundError(2, "no such file", "dogs/\x1b[2J\x9b\u202egnp.exe")

    def refuse_in_text():
        raise OSError("dogs/\x1b[2J\x07.png: is not there\nexpected: an image,\tfound none")

    assert exit_code_of(refuse) == 1
    assert "\x1b" not in capsys.readouterr().err
    assert exit_code_of(refuse_in_text) == 1
    assert capsys.readouterr().err == (
        "dogs/\\x1b[2J\\x07.png: is not there\nexpected: an image,\tfound none\n"
    )


def test_what_is_printed_does_not_obey_them_either(capsys):
    """A class whose name holds a bell, as a stage, `compare` or `export` prints it."""
    with printable_output():
        print("classes: dog\x07s, cat\ts, é", flush=True)
    print("after it\x07")
    assert capsys.readouterr().out == "classes: dog\\x07s, cat\ts, é\nafter it\x07\n"


def test_nor_do_lines_of_doit_beside_the_bars_of_stages():
    written = []
    FileOutput(written.append).line("dog\x07s")
    TerminalOutput(written.append, lambda: 80).line("dog\x07s")
    assert written == [b"dog\\x07s\n"] * 2


def test_nor_does_the_screen_of_watch():
    from rich.console import Console

    from pipeline.watch.states import RUNNING, StageState
    from pipeline.watch.view import screen

    state = StageState(
        label="knn hssl",
        state=RUNNING,
        seconds=1.0,
        remaining_seconds=None,
        bar="dog\x07s",
        notes=("cat\x07s",),
    )
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(screen("my", "my.toml", [state], [], max_lines=9))
    text = console.export_text()
    assert "dog\\x07s" in text
    assert "cat\\x07s" in text
    assert "\x07" not in text


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    found = printable(text)
    obeyed = {each for each in found if unicodedata.category(each) in ("Cc", "Cf")}
    assert obeyed <= set("\n\t\u200c\u200d")


def test_letters_of_any_language_stay():
    text = "Hündchen/犬 é क्\u200dष.png: expected 3,\n\tfound 4 ± 1"
    assert printable(text) == text


def test_an_error_of_the_system_names_the_file_that_was_to_be_written(tmp_path, capsys):
    assert exit_code_of(lambda: (tmp_path / "absent.json").read_text()) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'absent.json'}: No such file or directory\n"

    def write():
        partial_of(tmp_path / "absent" / "my.toml").write_text("")

    assert exit_code_of(write) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'absent' / 'my.toml'}: No such file or directory\n"
