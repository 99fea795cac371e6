"""A results folder with finished experiments, made without any training."""

import json
import shutil
from hashlib import sha256

import numpy as np

from pipeline.config.tables import TablesConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.measures.rows import read_rows
from pipeline.report.table_files import write_tables
from pipeline.report.tables import table_lines
from pipeline.storage.artifacts import artifact_directory
from pipeline.storage.files import sha256_of_file, write_json

PROTOCOL = "k-NN, cosine, T=0.07, k={} chosen on validation"


def stamped(results, stage, name, *, inputs=None, config=None, content=None, outputs=None, commit="c0ffee"):
    """Write the stamp of an artifact; return its fingerprint."""
    fingerprint = sha256(f"{stage} {name}".encode()).hexdigest()
    stamp = {
        "stage": stage, "fingerprint": fingerprint, "inputs": inputs or {}, "config": config or {},
        "content": content, "outputs": outputs or {}, "made_with": {"numpy": "1.26"},
        "started": "2026-01-02T03:04:05+00:00",
        "environment": {"python": "3.11.7", "git_commit": commit, "device": "cpu", "card": None},
    }  # fmt: skip
    write_json(artifact_directory(results, stage, fingerprint) / "stamp.json", stamp)
    return fingerprint


def publish(
    results,
    name,
    dataset: PreparedDataset,
    outcomes,
    *,
    settings=None,
    k=20,
    task="knn",
    knn=None,
    evaluation=None,
    **stamp,
):
    """Write an experiment whose only probe has these outcomes.

    Args:
        outcomes: (arm, seed) -> right or wrong of each test image.
        settings: that differ from those of all others.
        knn: settings of the probe.
        evaluation: name of the further data set; None: the experiment's own.
    """
    content = dataset.content_digest
    data = artifact_directory(results, "prepare", sha256(f"prepare {name}".encode()).hexdigest())
    shutil.copytree(dataset.directory, data)
    stamped(results, "prepare", name, content=content, **stamp)
    test, rows = dataset.indices("test"), []
    for (arm, seed), correct in outcomes.items():
        run = f"{name} {arm} {seed}"
        features = stamped(results, "features", run, inputs={"data": content}, config={"resize": 8}, **stamp)
        probe = stamped(
            results, "knn", run, inputs={"features": features}, config=knn or {"ks": [20]}, **stamp
        )
        directory = artifact_directory(results, "knn", probe)
        correct = np.asarray(correct, bool)
        row = {
            "task": task, "metric": "top1", "value": float(correct.mean()), "num_images": len(correct),
            "num_bootstrap": 500, "dataset": dataset.name, "split": dataset.split_names["test"],
            "protocol": PROTOCOL.format(k),
        }  # fmt: skip
        write_json(directory / "rows.json", [row])
        np.savez(directory / "predictions.npz", correct_top1=correct, index=test)
        rows += read_rows(directory, arm=arm, seed=seed, evaluation=evaluation)
    arms = tuple(dict.fromkeys(arm for arm, _ in outcomes))
    config = TablesConfig(experiment=name, arms=arms, baseline=arms[0], subjects=arms[1:])
    write_tables(results / name, table_lines(rows, config), config)
    record = {"table.json": {"sha256": sha256_of_file(results / name / "table.json")}}
    tables = stamped(results, "tables", name, outputs=record)
    every = {
        "name": name,
        "schedule": {"epochs": 1},
        "data": {"source": dataset.name},
        "runtime": {"threads": 1},
    }
    stated = json.dumps(every | (settings or {}))
    stamped(results, "report", name, inputs={"tables": tables}, config={"settings": stated})
