import re

import pytest

from pipeline.graph.stage_output import FileOutput, TerminalOutput


def shown(chunks, *, columns=None):
    """What is written; a chunk of None ends the stage, and a stage called None says a line of the run."""
    written = []
    output = (
        FileOutput(written.append) if columns is None else TerminalOutput(written.append, lambda: columns)
    )
    for name, chunk in chunks:
        if name is None:
            output.line(chunk)
        elif chunk is None:
            output.end(name)
        else:
            output.of(name)(chunk)
    return b"".join(written)


def screen(written):
    """Lines on a screen that knows what is used here: carriage return, one line up, clear to the end."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[A|\x1b\[J|\r|\n|[^\x1b\r\n]+", written.decode()):
        if piece == "\x1b[A":
            row -= 1
        elif piece == "\x1b[J":
            lines[row] = lines[row][:column]
            del lines[row + 1 :]
        elif piece == "\r":
            column = 0
        elif piece == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        else:
            lines[row] = lines[row][:column].ljust(column) + piece + lines[row][column + len(piece) :]
            column += len(piece)
    return lines


SAID = [
    ("knn", b"one\ntwo\n"),
    ("knn", b"\r 10%"),
    ("knn", b"\r 90%\n"),
    ("knn", b"cut "),
    ("knn", b"off\n"),
]


def test_in_a_file_every_line_and_every_state_of_a_bar_has_its_stage():
    assert shown(SAID) == b"knn: one\nknn: two\n\rknn:  10%\rknn:  90%\nknn: cut off\n"


def test_on_a_terminal_only_the_last_state_of_a_bar_stays():
    assert screen(shown(SAID, columns=80)) == ["knn: one", "knn: two", "knn:  90%", "knn: cut off", ""]


AT_ONCE = [
    ("a", b"\r 10%"),
    ("b", b"said\n"),
    ("a", b"\r 20%"),
    ("b", b"\r 5%"),
    (None, "[3/9] c"),
    ("a", b"\r 30%"),
    ("b", b"\r 6%"),
]


def test_in_a_file_stages_at_once_never_share_a_line():
    expected = b"\ra:  10%\nb: said\n\ra:  20%\n\rb:  5%\n[3/9] c\n\ra:  30%\n\rb:  6%"
    assert shown(AT_ONCE) == expected
    assert shown([*AT_ONCE, ("b", None), (None, "end")]) == expected + b"\nend\n"


def test_on_a_terminal_each_stage_has_its_bar_below_the_lines():
    assert screen(shown(AT_ONCE, columns=80)) == ["b: said", "[3/9] c", "a:  30%", "b:  6%"]
    more = [*AT_ONCE, ("a", b"\r 99%\r\n"), ("b", None), (None, "end")]
    assert screen(shown(more, columns=80)) == ["b: said", "[3/9] c", "a:  99%", "b:  6%", "end", ""]


def test_a_bar_that_wiped_itself_out_leaves_no_line():
    chunks = [("a", b"\r 10%"), ("a", b"\r    \r"), (None, "end")]
    assert screen(shown(chunks, columns=80)) == ["end", ""]


@pytest.mark.parametrize("columns", [12, 1])
def test_a_bar_wider_than_the_terminal_is_cut(columns):
    written = shown([("stage", b"\r 50%|######    | 1/2"), (None, "said")], columns=columns)
    assert all(len(line) < max(columns, 2) for line in screen(written)[1:])


def test_of_a_bar_the_last_state_alone_is_kept():
    written = []
    output = TerminalOutput(written.append, lambda: 80)
    for step in range(300):
        output.of("a")(b"\rstep %d" % step)
        output.of("a")(b" of 300")
    assert output._unfinished == {"a": b"step 299 of 300"}
    assert screen(b"".join(written)) == ["a: step 299 of 300"]
