"""Convert another project's weights to a backbone file."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.config.weights import ForeignConfig
from pipeline.graph.stage_runner import serve


def run(config: ForeignConfig, output: Path, *, runtime: RuntimeConfig) -> None:
    """Write backbone.safetensors, and conversion.json with notes on what was left out, resized or assumed."""
    from pipeline.models.backbone_file import save_backbone
    from pipeline.models.foreign_backbone import foreign_backbone
    from pipeline.storage.files import write_json
    from pipeline.weights.foreign import read_foreign

    foreign = read_foreign(config)
    print(f"{config.source}: {foreign.layout}")
    for line in foreign.notes:
        print(f"  {line}")
    save_backbone(output / "backbone.safetensors", foreign_backbone(foreign, config.source))
    write_json(output / "conversion.json", {"layout": foreign.layout, "notes": foreign.notes})


if __name__ == "__main__":
    serve(run, ForeignConfig, needs_jittor=True)
