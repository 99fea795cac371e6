import pytest

from pipeline.datasets.objects.yolo_key_points import hold_key_points


def poses(visibility):
    """Six lines: a box from 0.2 to 0.6, two points in it."""
    points = [f"{0.25 + n / 50} 0.3{visibility} 0.5 {0.55 - n / 50}{visibility}" for n in range(6)]
    return [f"0 0.4 0.4 0.4 0.4 {point}" for point in points]


POLYGONS = [f"0 0.{n}1 0.1 0.9 0.2 0.8 0.9 0.2 0.7" for n in range(6)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (poses(""), True),
        (poses(" 1"), True),
        (poses(" 2"), True),
        ([*poses(" 1"), "0 0.4 0.4 0.4 0.4"], True),  # an object without points
        (["0 0.4 0.4 0.4 0.4 0.3 0.3 1 0 0 0"] * 6, True),  # a point that is not labelled
        (poses("")[:4], False),
        (POLYGONS, False),
        ([*poses(""), POLYGONS[0]], False),
        (["0 0.4 0.4 0.4 0.4"] * 6, False),
        (["x y"] * 6, False),
        (["0 a b c d e f g h"] * 6, False),
    ],
)
def test_lines(tmp_path, lines, expected):
    (tmp_path / "0.txt").write_text("\n".join(lines[:3]))
    (tmp_path / "1.txt").write_text("\n".join(lines[3:]))
    assert hold_key_points([tmp_path / "0.txt", tmp_path / "1.txt"]) == expected


def test_a_set_of_key_points_is_refused(tmp_path, tree, write, prepared):
    root = tree(tmp_path / "set", [f"images/{n}.png" for n in range(6)])
    write(root / "data.yaml", "names: [person]\n")
    for n, line in enumerate(poses("")):
        write(root / f"labels/{n}.txt", line)
    with pytest.raises(
        ValueError, match=r"set: expected boxes or polygons, found .*key points, which are not read"
    ):
        prepared(root)
