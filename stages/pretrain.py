"""Pretrain one arm with one seed; write checkpoints during training and the backbone at the end."""

from pathlib import Path

from pipeline.config.stages import PretrainConfig, RuntimeConfig
from pipeline.graph.stage_runner import serve

FEW_STEPS = 300  # with fewer, the teacher hardly leaves its initial weights (this project's experience)


def run(
    config: PretrainConfig, output: Path, *, data: Path, runtime: RuntimeConfig, start: Path | None = None
) -> str | None:
    """Write backbone.safetensors, student.safetensors and metrics.jsonl.

    Also writes backbone-epoch<n>.safetensors if the schedule sets it. The base starts from the weights of the
    artifact `start`, if there is one.

    The backbone is the network that the method's authors evaluate: the teacher for iBOT, the student for the
    others. Rank 0 alone writes.

    Returns:
        The backbone's digest, on which later stages depend, not on the log; None in ranks other than 0.
    """
    from pipeline import kernels
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.models.backbone_file import FrozenBackbone, save_backbone
    from pipeline.pretrain.input_statistics import input_statistics
    from pipeline.pretrain.methods.method import method_of
    from pipeline.pretrain.monitor.sample import draw_sample
    from pipeline.pretrain.step import TrainState
    from pipeline.pretrain.training import exported_epochs, num_steps, pretrain
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.storage.files import sha256_of_file
    from pipeline.training.checkpoint_files import delete_checkpoints
    from pipeline.training.reporting import quiet, reporting
    from pipeline.transforms.rendering import implementation

    kernels.use(runtime.kernels)
    kernels.use_precision(config.schedule.precision)
    if implementation() != "native":
        print("augmentation runs on Pillow, several times slower: the compiled one could not be built")
    dataset = PreparedDataset.open(data)
    mean, std = input_statistics(config.normalization, dataset)
    if (steps := num_steps(config, dataset)) < FEW_STEPS:
        print(f"only {steps} steps: arms will hardly differ; raise schedule.epochs")
    if config.monitor is not None and draw_sample(dataset, config.monitor).labelled is None:
        print("monitor: no k-NN, for it needs training images with labels of two classes or more")

    def save(file: str, weights: str, state: TrainState) -> None:
        network = getattr(state, weights)
        save_backbone(output / file, FrozenBackbone(network.backbone, config.backbone, weights, mean, std))

    def export(epoch: int, state: TrainState) -> None:
        save(exported_file(epoch), method_of(config).published, state)

    ranks = ranks_of_this_process()

    def train() -> TrainState:
        base = start and start / "backbone.safetensors"
        with reporting(kernels.note, output, runtime) if ranks.is_first else quiet() as report:
            return pretrain(
                config, dataset, output, runtime=runtime, report=report, export=export, base=base, ranks=ranks
            )

    state = train()
    exported = [] if config.start else map(exported_file, exported_epochs(config, dataset))
    missing = [file for file in exported if not (output / file).is_file()]
    if ranks.broadcast_decision(bool(missing)):
        if ranks.is_first:
            files = ", ".join(missing)
            print(f"{files}: gone, and training went on from a later step: it starts from step 0")
            delete_checkpoints(output)
        ranks.barrier()
        state = train()
    if not ranks.is_first:
        return None
    save("backbone.safetensors", method_of(config).published, state)
    save("student.safetensors", "student", state)
    return sha256_of_file(output / "backbone.safetensors")


def exported_file(epoch: int) -> str:
    """Name of the backbone's file after `epoch` epochs."""
    return f"backbone-epoch{epoch:03d}.safetensors"


if __name__ == "__main__":
    serve(run, PretrainConfig, needs_jittor=True, on_ranks=True)
