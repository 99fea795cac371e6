"""Compare variants of the auxiliary head: discrepancy beside gain."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.studies import AblateConfig
from pipeline.graph.stage_runner import serve
from pipeline.studies.ablation import write_ablation


def run(config: AblateConfig, output: Path, *, runtime: RuntimeConfig, **trained: Path) -> None:
    """Write ablate.{md,csv,tex,json,txt} from trainings and probes named "<stage>/<name>-seed<s>"."""
    write_ablation(output, config, trained)


if __name__ == "__main__":
    serve(run, AblateConfig)
