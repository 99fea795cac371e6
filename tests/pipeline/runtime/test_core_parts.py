"""Neighbours are compiled as one, and names that several of them have stay different."""

from pipeline.runtime.core_parts import joined_text, parts
from pipeline.runtime.core_sources import parsed


def test_only_names_that_several_have_are_made_different(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.cc").write_text(
            f"static int of_{name}() {{ return 1; }}\nstatic auto make_x = 1;\n"
        )
    text = joined_text([parsed(f'g++ "{tmp_path}/{name}.cc" -c -o x.o') for name in "ab"])
    assert text.splitlines() == [
        "#define make_x make_x_0",
        f'#include "{tmp_path}/a.cc"',
        "#undef make_x",
        "#define make_x make_x_1",
        f'#include "{tmp_path}/b.cc"',
        "#undef make_x",
    ]


def commands(names: str) -> list[str]:
    """Commands as Jittor's."""
    return [f'g++ "/jittor/{name}.cc" -std=c++14 -O2 -c -o "/cache/{name}.cc.o"' for name in names]


def test_neighbours_with_the_same_flags_are_joined():
    given = commands("abcde")
    given[2] = given[2].replace("-O2", "-O0")
    given.insert(1, given[0].replace("a.cc", "executor.cc"))
    found = parts([parsed(each) for each in given], most=10)
    assert ["".join(each.path.stem for each in part) for part in found] == ["a", "executor", "b", "c", "de"]
    assert [len(part) for part in parts([parsed(each) for each in commands("abcde")], most=2)] == [2, 2, 1]
