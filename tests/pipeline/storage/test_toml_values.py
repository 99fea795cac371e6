import tomllib

import pytest

from pipeline.storage.toml_values import toml_value


@pytest.mark.parametrize(
    "value",
    ['a "quoted" \\ path\n', "ä", True, False, 3, -1e-7, 2e-06, 1.0, float("inf"), [1, 2], [], ["x", "y"]],
)
def test_what_is_written_is_read_again(value):
    assert tomllib.loads(f"key = {toml_value(value)}") == {"key": value}


def test_what_toml_does_not_have_is_refused():
    with pytest.raises(TypeError, match="None"):
        toml_value(None)
