"""README.md of an exported base, as Hugging Face shows it."""

from pathlib import Path

from pipeline.export.described_base import DescribedBase
from pipeline.storage.files import write_text


def write_card(folder: Path, base: DescribedBase, *, library: str, use: str) -> None:
    """Write how the base is loaded, which images it takes and what was measured with it.

    Args:
        use: lines of Python, with {folder} where the folder's name belongs.
    """
    config, size = base.config, base.config.image_size
    sizes = {
        name: value
        for name, value in config.model_dump(exclude={"size"}).items()
        if value is not None and name != "kind"
    }
    mean, std = (", ".join(f"{value:.6g}" for value in values) for values in (base.mean, base.std))
    lines = [
        "---",
        f"library_name: {library}",
        "tags: [image-feature-extraction, self-supervised]",
        "---",
        f"# {base.name}",
        "",
        f"A {config.kind}: " + ", ".join(f"{name} {value}" for name, value in sizes.items()) + ".",
        "",
        f"Images: short side to {base.resize} pixels (antialiased bicubic), the central {size} x {size}, "
        f"pixels in [0, 1] minus mean ({mean}), divided by std ({std}).",
        "",
        "```python",
        use.replace("{folder}", "FOLDER"),
        "```",
        *(["", "Measured by its experiment:", "", base.table] if base.table else []),
    ]
    write_text(folder / "README.md", "\n".join(lines) + "\n")
