import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.evaluate.probes.settings import KnnConfig
from pipeline.graph.node import STAGES, program
from pipeline.graph.stage_runner import Job, read_job

ROOT = Path(__file__).resolve().parents[3]
STAGE = """
from pathlib import Path
from pipeline.evaluate.probes.settings import KnnConfig
from pipeline.graph.stage_runner import serve
def run(config, output, *, features, runtime):
    read = (features / "f.txt").read_text()
    (output / "result.txt").write_text(f"{config.temperature} {read} {runtime.threads}")
    return "digest"
serve(run, KnnConfig)
"""


def job(folder: Path, **changes) -> Path:
    config = KnnConfig(temperature=0.5).model_dump(mode="json")
    (folder / "features").mkdir()
    (folder / "features" / "f.txt").write_text("read")
    values = Job(
        stage="knn", name="a-seed0", run={"arm": "a", "seed": 0}, runs=[],
        fingerprint="f", code="c", libraries={"numpy": "1.26"},
        made_with={"numpy": "1.26", "jittor": "1.3.11.0"}, config=config, work=2.0, output=str(folder),
        inputs={"features": str(folder / "features")}, identities={"features": "i"},
        lineage={"features": "l"}, runtime={"threads": 2},
    )  # fmt: skip
    path = folder / "job.json"
    path.write_text(json.dumps(asdict(values) | changes))
    return path


def serve(folder: Path, *arguments: Path, stage: str = STAGE) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", stage, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_stage_gets_its_config_and_inputs_and_is_stamped(tmp_path):
    done = serve(tmp_path, job(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "result.txt").read_text() == "0.5 read 2"
    stamp = json.loads((tmp_path / "stamp.json").read_text())
    assert stamp["outputs"]["result.txt"]["size"] == len("0.5 read 2")
    assert (stamp["fingerprint"], stamp["content"], stamp["work"]) == ("f", "digest", 2.0)
    assert stamp["run"] == {"arm": "a", "seed": 0}
    assert stamp["inputs"] == {"features": "i"}
    assert stamp["libraries"] == {"numpy": "1.26"}
    assert stamp["made_with"] == {"numpy": "1.26", "jittor": "1.3.11.0"}
    assert stamp["environment"]["threads"] == 2
    assert (stamp["environment"]["device"], stamp["environment"]["card"]) == ("cpu", None)
    assert 0 < stamp["processor_seconds"] < 60
    assert stamp["environment"]["peak_memory_bytes"] > 2**20
    assert stamp["environment"]["processor"]


def test_a_card_that_a_stage_took_without_jittor_is_in_its_stamp(tmp_path):
    stage = STAGE.replace(
        "    return",
        """    from types import SimpleNamespace
    from pipeline.runtime.cuda.used import remember
    remember(SimpleNamespace(card=SimpleNamespace(name="H100", index=1)))
    return""",
    )
    done = serve(tmp_path, job(tmp_path), stage=stage)
    assert done.returncode == 0, done.stderr
    environment = json.loads((tmp_path / "stamp.json").read_text())["environment"]
    assert (environment["device"], environment["card"]) == ("cuda", "H100 (cuda:1)")


def test_only_jittor_is_imported_without_looking_for_garbage_and_at_exit_none_is_looked_for(tmp_path):
    stage = STAGE.replace("serve(run, KnnConfig)", "serve(run, KnnConfig, needs_jittor=True)")
    stage = stage.replace(
        "    return",
        """    import atexit
    print("in the stage", gc.isenabled())
    atexit.register(lambda: print("exempt at exit", gc.get_freeze_count() > len(gc.get_objects())))
    return""",
    )
    started = """
import gc, sys, types
def start(*given, say):
    print("at the start", gc.isenabled())
    return types.SimpleNamespace(device="cpu", card=None, ranks=1)
sys.modules["pipeline.runtime.start_jittor"] = types.SimpleNamespace(start=start)
"""
    done = serve(tmp_path, job(tmp_path), stage=started + stage)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["at the start False", "in the stage True", "exempt at exit True"]


def test_a_table_gets_arm_and_seed_beside_each_artifact(tmp_path):
    stage = STAGE.replace("features, runtime", "features, runs, runtime").replace(
        "{config.temperature}", "{[(r.stage, r.key.arm, r.key.seed, r.directory.name) for r in runs]}"
    )
    runs = [{"stage": "knn", "key": {"arm": "b-seed7", "seed": 1}, "directory": str(tmp_path / "made")}]
    done = serve(tmp_path, job(tmp_path, runs=runs), stage=stage)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "result.txt").read_text() == "[('knn', 'b-seed7', 1, 'made')] read 2"


def test_an_invalid_config_leaves_no_stamp(tmp_path):
    done = serve(tmp_path, job(tmp_path, config={"temperature": -1}))
    assert done.returncode == 1
    assert "temperature" in done.stderr
    assert not (tmp_path / "stamp.json").exists()


def test_without_a_job_the_usage_is_said(tmp_path):
    assert "usage: python -m stages.NAME JOB.json" in serve(tmp_path).stderr
    absent = serve(tmp_path, tmp_path / "absent.json").stderr
    assert "absent.json" in absent
    assert "Traceback" not in absent


def test_a_job_with_other_keys_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"job\.json: a job has the keys .*found .*'more'"):
        read_job(job(tmp_path, more=1))


def refusing(body: str) -> str:
    return STAGE.replace('return "digest"', body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("from pipeline.storage.files import read_json; read_json(output / 'none.json')", "none.json"),
        ("from pipeline.datasets.decode import decode; decode(b'')", "empty file"),
        ("from pipeline.config.reading import read_experiment; read_experiment('none')", "none"),
    ],
)
def test_a_refusal_is_its_message_alone(tmp_path, body, message):
    path = job(tmp_path)
    done = serve(tmp_path, path, stage=refusing(body))
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in (tmp_path / "traceback.txt").read_text()
    assert not (tmp_path / "stamp.json").exists()
    assert serve(tmp_path, path).returncode == 0
    assert not (tmp_path / "traceback.txt").exists()


def test_a_full_disk_in_the_middle_of_an_npz_is_one_line(tmp_path):
    """`numpy.savez` leaves a zip file behind, of whose end Python would print a traceback."""
    lines = [
        "import numpy",
        "from pipeline.storage.files import replacing",
        "def full(*given, **named):",
        "    raise OSError(28, 'full')",
        "numpy.lib.format.write_array = full",
        "with replacing(output / 'a.npz') as partial:",
        "    numpy.savez(partial, a=numpy.zeros(9))",
    ]
    body = "\n    ".join(lines)
    done = serve(tmp_path, job(tmp_path), stage=refusing(body))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"full while {tmp_path / 'a.npz'} was written" in done.stderr


@pytest.mark.parametrize(
    "body",
    ["import numpy; numpy.zeros(2).reshape(3)", "{}['none']", "raise RuntimeError('fault')", "assert False"],
)
def test_a_fault_of_the_code_keeps_its_traceback(tmp_path, body):
    done = serve(tmp_path, job(tmp_path), stage=refusing(body))
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_served(stage):
    text = (ROOT / "stages" / f"{program(stage)}.py").read_text()
    assert re.search(r"^    serve\(run, \w+", text, re.M)
