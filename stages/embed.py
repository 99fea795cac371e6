"""`doit run embed arm=hssl data=FOLDER`: compute vectors of any images with an experiment's backbone."""

import shutil
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.datasets.source import Source
from pipeline.graph.experiment_graph import read_argument
from pipeline.graph.finished import Arm, Finished
from pipeline.graph.stage_runner import exit_code_of
from pipeline.inference.crops import View
from pipeline.inference.embedding import Embedding, embed, finished_images, unusable
from pipeline.inference.images import Decoding, images_digest, open_images
from pipeline.inference.options import UsageError, choice, existing, read_options
from pipeline.inference.progress import counted_in
from pipeline.inference.vector_files import WRITERS, parquet_library
from pipeline.storage.files import sha256_of_file, write_csv, write_json

RESULTS = Path(__file__).resolve().parent.parent / "results"
_OPTIONS = ("arm", "data", "format", "experiment", "seed", "out", "patches")
_USAGE = (
    "usage: doit run embed arm=hssl data=FOLDER [experiment=quickstart] [seed=0] "
    "[format=npz|csv|parquet] [patches=yes] [out=FILE]"
)


def main(arguments: list[str]) -> int:
    """Write the vectors; return the exit code."""
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: list[str]) -> None:
    options = read_options(arguments, known=_OPTIONS, needed=("arm", "data"), usage=_USAGE)
    form = choice(options, "format", tuple(WRITERS), "npz")
    with_patches = choice(options, "patches", ("yes", "no"), "no") == "yes"
    if with_patches and form == "csv":
        raise UsageError("patches=yes: a .csv holds no patch tokens; take format=npz or format=parquet")
    data = existing(options, "data")
    target = Path(options.get("out") or f"{Path(data).resolve().name}-{options['arm']}.{form}").expanduser()
    if target.exists():
        raise UsageError(f"{target} is there already; name another file by out=")
    if form == "parquet":
        parquet_library(target)
    named = options.get("experiment", "quickstart")
    _, experiment = read_argument(named, Path.cwd())
    finished = Finished(named, experiment, RESULTS)
    seed = finished.seed(options.get("seed"))
    arm = finished.arm(options["arm"], seed)
    decoding = Decoding.of_prepared(arm.prepared)
    source = open_images(data, decoding.max_pixels, decoding.channels)
    folder = target.with_name(f"{target.name}.parts")
    images = images_digest(source, data, folder / "listing.json")
    print(f"{len(source)} images, backbone {arm.backbone}")
    from pipeline.runtime.start_jittor import start

    start(experiment.runtime.device, experiment.runtime.threads, say=lambda text: print(text, flush=True))
    embedding, about = opened(arm, source, decoding, images, experiment.runtime, with_patches)
    num_done = finished_images(embedding, folder)
    if num_done:
        print(f"goes on after {num_done} images, from {folder}")
    with tqdm(desc="embed", unit="image", total=len(source), dynamic_ncols=True) as bar:
        parts = embed(embedding, folder, counted_in(bar))
    bad = [("path", "reason"), *unusable(parts)]
    quarantine = target.with_name(f"{target.name}.quarantine.csv")
    write_csv(quarantine, bad)
    num_bad = len(bad) - 1
    if num_bad == len(source):
        raise ValueError(f"data={data}: none of {num_bad} images can be decoded; see {quarantine}")
    about |= {"experiment": experiment.name, "arm": options["arm"], "seed": seed, "data": data}
    about |= {"num_images": len(source) - num_bad, "num_quarantined": num_bad}
    write_json(target.with_name(f"{target.name}.json"), about)
    print(f"joining {len(parts)} part(s)")
    WRITERS[form](target, parts)
    shutil.rmtree(folder)
    print(f"wrote {target}: {len(source) - num_bad} images; what the vectors are: {target.name}.json")
    if num_bad:
        print(f"{num_bad} images cannot be decoded; why: {quarantine}")


def opened(
    arm: Arm, source: Source, decoding: Decoding, images: str, runtime, with_patches: bool
) -> tuple[Embedding, dict]:
    """The embedding of the images by the arm's network, and a description of its vectors for JSON."""
    import jittor as jt

    from pipeline import kernels
    from pipeline.models.backbone_file import load_backbone

    kernels.use(runtime.kernels)
    frozen, config = load_backbone(arm.backbone), arm.config

    def forward(crops: np.ndarray) -> dict[str, np.ndarray]:
        with jt.no_grad():
            batch = jt.array(crops)
            cls, patch_mean = frozen.features(batch, 1)
            found = {"cls": cls.numpy()[:, 0], "patch_mean": patch_mean.numpy()}
            if with_patches:
                found["patches"] = frozen.network(batch).patches.numpy()
        return found

    dim, side = frozen.config.dim, config.crop_size // frozen.network.stride
    shape = [side, side, dim]
    about = {
        "backbone_sha256": sha256_of_file(arm.backbone),
        "weights": frozen.weights,
        "embed_dim": dim,
        "resize": config.resize,
        "crop_size": config.crop_size,
        "mean": frozen.mean.tolist(),
        "std": frozen.std.tolist(),
        "patches": shape if with_patches else None,  # rows, columns, channels; in row-major order
    }
    identity = about | {
        "images": images,
        "num_images": len(source),
        "batch_size": config.batch_size,
        "reduced": decoding.reduced,
        "max_pixels": decoding.max_pixels,
        "grey_range": decoding.grey_range and list(decoding.grey_range),
    }
    if decoding.channels is not None:
        identity["channels"] = decoding.channels.to_summary()
    embedding = Embedding(
        source,
        decoding,
        View(config.resize, config.crop_size, frozen.mean, frozen.std),
        forward,
        identity,
        config.batch_size,
        row_bytes=4 * dim * (2 + (side * side if with_patches else 0)),
        num_threads=runtime.num_threads,
    )
    return embedding, about


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
