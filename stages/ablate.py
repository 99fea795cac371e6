"""Compare variants of the auxiliary head by discrepancy and gain."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import AblateConfig
from pipeline.graph.stage_runner import serve
from pipeline.storage.runs import Run
from pipeline.studies.ablation import write_ablation


def run(config: AblateConfig, output: Path, *, runs: list[Run], runtime: RuntimeConfig) -> None:
    """Write ablate.{md,csv,tex,json,txt} from every variant's pretraining and probes at every seed."""
    write_ablation(output, config, runs)


if __name__ == "__main__":
    serve(run, AblateConfig)
