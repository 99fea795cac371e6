import json

import pytest

from pipeline.training.metrics_log import COPY, METRICS, append_metrics, keep_copy, read_metrics, rewind


def write_log(folder, steps=(10, 20, 30)):
    for step in steps:
        append_metrics(folder / METRICS, {"step": step, "loss": 1.5})


def rewound(folder, step: int) -> tuple[list[int], list[str]]:
    messages = []
    rewind(folder, step, messages.append)
    return [line["step"] for line in read_metrics(folder / METRICS)], messages


def test_rewind_drops_later_and_broken_lines(tmp_path):
    write_log(tmp_path)
    with open(tmp_path / METRICS, "a") as stream:
        stream.write('{"step": 40, "lo')
    assert rewound(tmp_path, 20) == ([10, 20], [])
    write_log(tmp_path, (30,))
    assert [line["step"] for line in read_metrics(tmp_path / METRICS)] == [10, 20, 30]


def test_a_missing_log_is_empty(tmp_path):
    assert rewound(tmp_path, 5) == ([], [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b'{"step": 10, "loss": 9.5}\n', b"\xff\xfe\n{}\n", None])
def test_the_copy_of_a_checkpoint_puts_a_damaged_or_missing_log_right(tmp_path, damage):
    write_log(tmp_path)
    text = (tmp_path / METRICS).read_text()
    keep_copy(tmp_path)
    write_log(tmp_path, (40,))  # after the checkpoint
    if damage is None:
        (tmp_path / METRICS).unlink()
    else:
        (tmp_path / METRICS).write_bytes(damage)
    assert rewound(tmp_path, 30) == ([10, 20, 30], [])
    assert (tmp_path / METRICS).read_text() == text
    assert rewound(tmp_path, 20) == ([10, 20], [])  # for the checkpoint before


@pytest.mark.parametrize("copy", ["{", "[]", json.dumps({"text": '{"step": 10}', "sha256": "0" * 64})])
def test_a_damaged_copy_is_said_and_the_log_is_taken_as_it_lies(tmp_path, copy):
    write_log(tmp_path)
    (tmp_path / COPY).write_text(copy)
    steps, (messages,) = rewound(tmp_path, 20)
    assert steps == [10, 20]
    assert messages.startswith(f"{tmp_path / COPY}: no copy of the log can be used (")
