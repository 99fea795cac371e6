"""What a name from a data set may not do to a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pipeline.graph.printable import printable
from pipeline.graph.stage_runner import exit_code_of


def test_a_refusal_does_not_obey_the_names_in_it(capsys):
    def refuse():
        raise FileNotFoundError(2, "no such file", "dogs/\x1b[2J\x9b\u202egnp.exe")

    def refuse_in_text():
        raise OSError("dogs/\x1b[2J\x07.png: is not there\nexpected: an image,\tfound none")

    assert exit_code_of(refuse) == 1
    assert "\x1b" not in capsys.readouterr().err
    assert exit_code_of(refuse_in_text) == 1
    assert capsys.readouterr().err == (
        "\ndogs/\\x1b[2J\\x07.png: is not there\nexpected: an image,\tfound none\n"
    )


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    found = printable(text)
    obeyed = {each for each in found if unicodedata.category(each) in ("Cc", "Cf")}
    assert obeyed <= set("\n\t\u200c\u200d")


def test_letters_of_any_language_stay():
    text = "Hündchen/犬 é क्\u200dष.png: expected 3,\n\tfound 4 ± 1"
    assert printable(text) == text
