from pipeline.graph.stage_output import StageOutput


def shown(chunks, *, terminal):
    written = []
    output = StageOutput(written.append, terminal=terminal)
    for name, chunk in chunks:
        output.of(name)(chunk)
    return b"".join(written)


def test_every_line_and_every_state_of_a_bar_has_its_stage():
    chunks = [
        ("knn", b"one\ntwo\n"),
        ("knn", b"\r 10%"),
        ("knn", b"\r 90%\n"),
        ("knn", b"cut "),
        ("knn", b"off\n"),
    ]
    expected = b"knn: one\nknn: two\n\rknn:  10%\rknn:  90%\nknn: cut off\n"
    assert shown(chunks, terminal=True) == shown(chunks, terminal=False) == expected


def test_stages_at_once_never_share_a_line():
    chunks = [
        ("a", b"\r 10%"),
        ("b", b"said\n"),
        ("a", b"\r 20%"),
        ("b", b"\r 5%"),
        ("a", b" |"),
        ("a", b"\n"),
    ]
    in_a_file = b"\ra:  10%\nb: said\n\ra:  20%\n\rb:  5%\na:  |\n"
    assert shown(chunks, terminal=False) == in_a_file
    wiped = b"\ra:  10%\r\x1b[Kb: said\n\ra:  20%\r\x1b[K\rb:  5%\r\x1b[Ka:  |\n"
    assert shown(chunks, terminal=True) == wiped
