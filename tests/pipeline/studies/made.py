"""Hand-made artifacts of trainings and probes."""

import json
from pathlib import Path

import numpy as np

from pipeline.storage.files import write_json, write_text

NUM_IMAGES = 200


def a_probe(folder: Path, correct: np.ndarray, task: str = "knn") -> Path:
    """A probe that classifies these images correctly."""
    folder.mkdir(parents=True)
    write_json(folder / "stamp.json", {"fingerprint": folder.name, "outputs": {}})
    np.savez(folder / "predictions.npz", correct_top1=correct)
    value = float(correct.mean())
    row = {"task": task, "metric": "top1", "value": value}
    row |= {"num_images": len(correct), "dataset": "d", "split": "test", "protocol": "p"}
    row |= {"num_bootstrap": 1000}
    write_json(folder / "rows.json", [row])
    return folder


def right(count: int) -> np.ndarray:
    """The first `count` images are right."""
    return np.arange(NUM_IMAGES) < count


def a_training(folder: Path, **discrepancies: float) -> Path:
    """A pretraining with these discrepancies in the last line of its log, and others in the line before."""
    folder.mkdir(parents=True)
    lines = [{f"discrepancy_{name}": 0.9 for name in discrepancies} | {"step": 1}]
    lines.append({f"discrepancy_{name}": value for name, value in discrepancies.items()} | {"step": 2})
    write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    return folder
