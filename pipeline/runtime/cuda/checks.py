"""The doctor's checks of the driver, the GPUs, the toolkit and its libraries."""

from pipeline.runtime.check import Check
from pipeline.runtime.cuda import remedies
from pipeline.runtime.cuda.cards import NoSuchCard, choose_card, installed_driver
from pipeline.runtime.cuda.driver import Card
from pipeline.runtime.cuda.setup import best_toolkit, why_none
from pipeline.runtime.cuda.toolkits import NEWEST_MAJOR, FoundToolkit, cudnn_major, find_toolkits

_GIB = 2**30
_NO_GPU_REMEDY = "install NVIDIA's driver, or set runtime.device = 'cpu' or 'auto'"


def cuda_checks(device: str) -> list[Check]:
    """A check of each part that `device` needs; with "auto", a missing part is only a warning."""
    if device == "cpu":
        return [Check("CUDA", True, "not asked for, the CPU is used")]
    absent = None if device == "auto" else False
    driver = installed_driver()
    if driver is None:
        if device == "auto":
            return [Check("CUDA", True, "no driver, the CPU is used")]
        return [Check("CUDA", False, "no driver (libcuda.so.1)", _NO_GPU_REMEDY)]
    if not driver.cards:
        remedy = "see what nvidia-smi says, and whether CUDA_VISIBLE_DEVICES hides the card"
        return [Check("GPU", absent, driver.problem, remedy)]
    served = Check("CUDA driver", True, f"serves CUDA {_dotted(driver.version)} at most")
    try:
        card = choose_card(device)
    except NoSuchCard as error:
        return [served, Check("GPU", False, str(error), "correct runtime.device")]
    toolkits = find_toolkits()
    toolkit = best_toolkit(toolkits, driver, card)
    cards = Check("GPU", True, "; ".join(_described(one, one == card) for one in driver.cards))
    if toolkit is None:
        obstacle = why_none(toolkits, driver, card)
        return [served, cards, Check("CUDA toolkit", absent, obstacle.found, obstacle.remedy)]
    return [served, cards, _toolkit(toolkit, card), _cublas(toolkit), _cudnn(toolkit)]


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _described(card: Card, chosen: bool) -> str:
    """E.g. "*cuda:0 NVIDIA H100 80GB HBM3, sm_90, 80 GiB"; a star marks the card that is used."""
    size = card.memory_bytes / _GIB
    return f"{'*' if chosen else ''}cuda:{card.index} {card.name}, {card.target}, {size:.0f} GiB"


def _toolkit(toolkit: FoundToolkit, card: Card) -> Check:
    found = f"{toolkit.release} ({toolkit.source}), {toolkit.nvcc}"
    if toolkit.version[0] > NEWEST_MAJOR:
        remedy = f"nothing, if all works; else install a CUDA {NEWEST_MAJOR} toolkit"
        return Check("CUDA toolkit", None, f"{found}: newer than all that was tried", remedy)
    if "code=compute" in remedies.architecture_flag(card.capability, toolkit.targets):
        remedy = "install a newer CUDA toolkit"
        return Check(
            "CUDA toolkit", None, f"{found}: does not know {card.target}, the driver compiles", remedy
        )
    return Check("CUDA toolkit", True, found)


def _cublas(toolkit: FoundToolkit) -> Check:
    return Check("cuBLAS", True, str(toolkit.library("cublas")))


def _cudnn(toolkit: FoundToolkit) -> Check:
    library = toolkit.library("cudnn")
    if cudnn_major(toolkit) is None:
        found = f"{library}, without its headers" if library else "none"
        slower = "convolutions of images, and all before compute capability 8.0, run on plain kernels, slower"
        return Check("cuDNN", None, f"{found}: {slower}", "pip install nvidia-cudnn-cu13, for CUDA 13")
    return Check("cuDNN", True, str(library))
