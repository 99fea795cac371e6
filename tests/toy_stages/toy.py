"""A toy stage for tests of the graph; copied under every stage's name into a toy project.

`$TOY_FAULT` is "<stage>:<what>", once half an output is written: hang (a child process too), exit-0, fail, or
wait-for-warning, which saves a checkpoint when it is warned and finishes from one.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from pipeline.config import data, duplicates, stages, studies, views, weights
from pipeline.evaluate.probes import settings as probes
from pipeline.graph.stage_runner import read_job, serve
from pipeline.storage.files import write_json, write_text
from pipeline.training.end_warning import EndWarning

CONFIGS = {
    "prepare": data.DataConfig,
    "duplicates": duplicates.DuplicatesConfig,
    "initialize": stages.InitializeConfig,
    "convert": weights.ForeignConfig,
    "pretrain": stages.PretrainConfig,
    "curves": stages.PretrainConfig,
    "features": stages.FeaturesConfig,
    "views": views.ViewsConfig,
    "pixels": stages.PixelsConfig,
    "knn": probes.KnnConfig,
    "linear": probes.LinearConfig,
    "logistic": probes.LogisticConfig,
    "search-train": studies.JointTrainingConfig,
}
JOB = read_job(Path(sys.argv[1]))


def train(output, logged):
    """A training of four steps with the real checkpoints and log; its weights depend on all steps."""
    import numpy as np

    from pipeline.training import checkpoint_files, metrics_log

    saved = checkpoint_files.newest_intact(output, print)
    step, weights = (saved.metadata["step"], saved.arrays["weights"]) if saved else (0, np.zeros(9))
    metrics_log.rewind(output, step, print)
    for done in range(step + 1, 5):
        weights = np.cos(weights + done * logged["discrepancy_cka"])
        metrics_log.append_metrics(output / metrics_log.METRICS, {"step": done, **logged})
        metrics_log.keep_copy(output)
        checkpoint_files.write_newest(output, {"weights": weights}, {"step": done, "run": JOB.fingerprint})
    write_text(output / "weights.txt", repr(weights.tolist()))


def run(config, output, *, runtime, **inputs):
    with open(os.environ["TOY_RUNS"], "a") as stream:
        stream.write(f"{JOB.stage}:{JOB.name}\n")
    fault = os.environ.get("TOY_FAULT", "").partition(f"{JOB.stage}:")[2]
    read = "".join((folder / "result.txt").read_text() for folder in inputs.values())
    result = hashlib.sha256(f"{config.model_dump_json()} {read}".encode()).hexdigest()
    if fault:
        (output / "result.txt").write_text(result[:9])
        print("half done", flush=True)
    if fault == "hang":
        child = subprocess.Popen(["sleep", "60"])
        write_text(Path(os.environ["TOY_RUNS"] + ".pids"), f"{os.getpid()} {child.pid}")
        time.sleep(60)
    elif fault == "wait-for-warning" and not (output / "checkpoint.txt").exists():
        warning = EndWarning()
        write_text(Path(os.environ["TOY_RUNS"] + ".pids"), f"{os.getpid()}")
        while not warning.given:
            time.sleep(0.05)
        write_text(output / "checkpoint.txt", "so far")
        warning.end()
    elif fault == "exit-0":
        os._exit(0)
    elif fault == "fail":
        raise RuntimeError("toy failure")
    if JOB.stage == "prepare":
        # The digest depends on the bytes, whatever the file's time.
        result = hashlib.sha256(Path(config.source).read_bytes()).hexdigest()
    write_text(output / "result.txt", result)
    numbers = [int(result[place : place + 4], 16) / 2**16 for place in range(0, 12, 4)]
    if JOB.stage == "search-train":
        heads = sorted(config.candidates)
        proxies = [dict(zip(("cka", "cosine", "kl"), (n / (1 + i) for n in numbers), strict=True))
                   for i in range(len(heads))]  # fmt: skip
        cost = {name: {"seconds_alone": 2.0, "parameters": 7} for name in heads}
        write_json(output / "scores.json", dict(zip(heads, proxies, strict=True)))
        write_json(output / "cost.json", {"num_steps": 9, "seconds_joint": 3.0, "candidates": cost})
    if JOB.stage == "pretrain":
        names = ("discrepancy_cka", "discrepancy_cosine", "discrepancy_kl")
        train(output, dict(zip(names, numbers, strict=True)))
    if JOB.stage == "duplicates":
        write_json(output / "duplicates.json", {"parts": []})
    if JOB.stage == "curves":
        write_text(output / "loss.png", "a picture")
        write_json(output / "rows.json", [])
    if JOB.stage in ("knn", "linear", "logistic"):
        import numpy as np

        correct = np.random.default_rng(int(result[:8], 16)).random(200) < 0.5
        np.savez(output / "predictions.npz", correct_top1=correct)
        value = float(correct.mean())
        words = {"task": JOB.stage, "metric": "top1", "dataset": "toy_set", "split": "test"}
        row = {"value": value, "num_images": 200, "num_bootstrap": 1000}
        row |= words | {"protocol": "a & b_c"}
        write_json(output / "rows.json", [row])
    return json.dumps(result) if JOB.stage == "prepare" else None


serve(run, CONFIGS[JOB.stage])
