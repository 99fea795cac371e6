"""The real loggers, read back by their own readers. Each is skipped where it is not installed."""

import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from pipeline.training.loggers.all_loggers import logging_to, run_of
from pipeline.training.metrics_log import append_metrics, read_metrics, rewind
from pipeline.training.pictures_of_steps import folder_of_step
from pipeline.training.progress import Progress

# What their libraries warn of among themselves is not ours.
pytestmark = pytest.mark.filterwarnings("default")


def train_killed_and_resumed(name, output):
    """Six steps; killed after the fourth, whose checkpoint is of the second. What the log holds then."""
    rng, log, messages = np.random.default_rng(0), output / "metrics.jsonl", []

    def steps(first, last):
        with logging_to((name,), output, messages.append) as report:
            for step in range(first, last + 1):
                metrics = {"step": step, "loss": 5 / step, "images_per_second": float(rng.random())}
                metrics |= {"monitor_rankme": 3.0 * step} if step % 3 == 0 else {}
                append_metrics(log, metrics)
                report(Progress(step, 6, metrics, None))

    steps(1, 4)
    rewind(output, 2, messages.append)
    steps(3, 6)
    assert messages == []
    lines = read_metrics(log)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    return lines


def points(lines):
    """(name, step) -> number."""
    return {(key, line["step"]): line[key] for line in lines for key in line if key != "step"}


def test_tensorboards_reader_finds_the_numbers_of_the_log(output):
    pytest.importorskip("tensorboardX", reason="extra tensorboard")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="extra")
    lines = train_killed_and_resumed("tensorboard", output)
    run = run_of(output)
    found = reader.EventAccumulator(str(run.folder / "tensorboard" / run.name), size_guidance={"scalars": 0})
    found.Reload()
    events = [(tag, e.step, e.value) for tag in found.Tags()["scalars"] for e in found.Scalars(tag)]
    assert len(events) == len({(tag, step) for tag, step, _ in events})
    # The format holds float32.
    expected = {key: float(np.float32(value)) for key, value in points(lines).items()}
    assert {(tag, step): value for tag, step, value in events} == expected


def test_tensorboards_reader_finds_the_pictures_of_a_resumed_run(output):
    pytest.importorskip("tensorboardX", reason="extra tensorboard")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="extra")
    drawn = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    for step in (2, 3):  # of before and after the step that the resumed run goes on from
        folder_of_step(output, step).mkdir(parents=True)
        Image.fromarray(drawn).save(folder_of_step(output, step) / "pca.png")
    train_killed_and_resumed("tensorboard", output)
    run = run_of(output)
    found = reader.EventAccumulator(str(run.folder / "tensorboard" / run.name), size_guidance={"images": 0})
    found.Reload()
    events = found.Images("monitor/pca")
    assert [event.step for event in events] == [2, 3]
    for event in events:
        with Image.open(io.BytesIO(event.encoded_image_string)) as picture:
            np.testing.assert_array_equal(np.asarray(picture), drawn)


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_folder_that_cannot_be_made_stops_nothing(output, monkeypatch, name):
    pytest.importorskip({"tensorboard": "tensorboardX"}.get(name, name), reason=f"extra {name}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = run_of(output).folder
    folder.mkdir()
    (folder / name).write_text("a file where the folder should be")
    messages = train(name, output, 30)
    assert len(messages) == 1
    assert messages[0].startswith(f"runtime.loggers: {name} failed and is left out from here on: ")
    assert "\n" not in messages[0]


def test_a_disk_that_is_full_ends_tensorboard_and_not_the_training(output, monkeypatch):
    record_writer = pytest.importorskip("tensorboardX.record_writer", reason="extra tensorboard")

    def full(*_):
        raise OSError(28, "No space left on device")

    def at(step):
        if step == 5:
            monkeypatch.setattr(record_writer.RecordWriter, "write", full)

    # More steps than a queue of events would hold; of which none would be waited for.
    (messages,) = train("tensorboard", output, 60, at)
    assert messages.endswith(
        "tensorboard failed and is left out from here on: OSError: [Errno 28] No space left on device"
    )


def train(name, output, num_steps, at=lambda step: None):
    """So many steps, each after `at`; what was said."""
    messages = []
    with logging_to((name,), output, messages.append) as report:
        for step in range(1, num_steps + 1):
            at(step)
            metrics = {"step": step, "loss": 1 / step}
            append_metrics(output / "metrics.jsonl", metrics)
            report(Progress(step, num_steps, metrics, None))
    assert len(read_metrics(output / "metrics.jsonl")) == num_steps
    return messages


def test_mlflow_holds_each_number_of_the_log_once(output, monkeypatch):
    pytest.importorskip("mlflow", reason="extra mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    lines = train_killed_and_resumed("mlflow", output)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{run_of(output).folder}/mlflow/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("hssl-pipeline").experiment_id])
    assert (run.info.run_name, run.info.status) == (run_of(output).name, "FINISHED")
    names = {key for line in lines for key in line} - {"step"}
    found = [
        (p.key, p.step, p.value) for name in names for p in client.get_metric_history(run.info.run_id, name)
    ]
    assert len(found) == len(points(lines))
    seen = {(key, step): value for key, step, value in found if key != "images_per_second"}
    # Speeds of steps that were trained twice are those of the first time.
    assert seen == {key: value for key, value in points(lines).items() if key[0] != "images_per_second"}


def test_wandb_keeps_one_offline_run_with_the_numbers_of_the_log(output, monkeypatch):
    pytest.importorskip("wandb", reason="extra wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    lines = train_killed_and_resumed("wandb", output)
    (file,) = (run_of(output).folder / "wandb" / "wandb").glob("offline-run-*/run-*.wandb")
    assert wandb_history(file) == points(lines)


def wandb_history(path):
    """(name, step) -> number, from the records of a .wandb file: 7 bytes, then (checksum, size, 1, bytes)."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, found = path.read_bytes(), 7, {}
    assert len(data) < 2**15  # one block: no record is cut in two
    while place < len(data):
        size, kind = struct.unpack_from("<HB", data, place + 4)
        assert kind == 1
        record = Record()
        record.ParseFromString(data[place + 7 : place + 7 + size])
        place += 7 + size
        if record.HasField("history"):
            items = {i.key or i.nested_key[0]: json.loads(i.value_json) for i in record.history.item}
            found |= {(key, items["_step"]): v for key, v in items.items() if not key.startswith("_")}
    return found
