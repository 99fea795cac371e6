import pytest

from pipeline.graph.compile_notes import CompileNotes

NOTE = (
    b"\nCompiling Operators(8/48) used: 2.34s eta: 11.7s \r"
    b"Compiling Operators(35/48) used: 8.35s eta:  3.1s \r"
    b"Compiling Operators(48/48) used: 11.3s eta:    0s \r\n"
)
OUTPUT = b"0step [00:00, ?step/s]" + NOTE + b"\r 50%|##\r100%|####\nCompiled.\n"


def shown(chunks, *, moving=False):
    written = []
    notes = CompileNotes(written.append, moving=moving)
    for chunk in chunks:
        notes(chunk)
    notes.close()
    return b"".join(written)


@pytest.mark.parametrize("size", [1, 2, 7, 50, 1000])
def test_the_notes_are_one_line_however_the_output_is_cut(size):
    chunks = [OUTPUT[start : start + size] for start in range(0, len(OUTPUT), size)]
    line = b"compiled 48 operators in 11.3 s\n"
    bars = b"\r 50%|##\r100%|####\nCompiled.\n"
    assert shown(chunks) == b"0step [00:00, ?step/s]\n" + line + bars
    states = b"compiling 8 of 48 operators\rcompiling 35 of 48 operators\rcompiling 48 of 48 operators\r"
    assert shown(chunks, moving=True) == b"0step [00:00, ?step/s]\n" + states + line + bars


def test_what_stopped_early_says_how_far_it_came():
    cut = NOTE[: NOTE.index(b"Compiling Operators(48")]
    assert shown([cut + b"\nRuntimeError\n"]) == b"\ncompiled 35 of 48 operators in 8.3 s\nRuntimeError\n"
    assert shown([cut]) == b"\ncompiled 35 of 48 operators in 8.3 s\n"
    assert shown([cut + b"RuntimeError"]) == b"\ncompiled 35 of 48 operators in 8.3 s\nRuntimeError"


def test_other_output_is_passed_on_at_once_and_as_it_is():
    written = []
    notes = CompileNotes(written.append, moving=True)
    for chunk in (b"loss 3", b".1\r\r", b"Computing", b"\n\n", b"see Compiling Operators(1/2)", b"\n"):
        notes(chunk)
    assert written == [b"loss 3", b".1\r\r", b"Computing", b"\n\n", b"see Compiling Operators(1/2)", b"\n"]
