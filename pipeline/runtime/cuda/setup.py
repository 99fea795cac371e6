"""From a device's name to what Jittor's start needs: the GPU, the toolkit, and the compilers' flags."""

import subprocess
from dataclasses import dataclass

from pipeline.runtime.cuda import remedies
from pipeline.runtime.cuda.cards import NoSuchCard, choose_card, installed_driver
from pipeline.runtime.cuda.driver import Card, Driver
from pipeline.runtime.cuda.links import Toolkit, linked
from pipeline.runtime.cuda.toolkits import NEWEST_MAJOR, OLDEST, WHEELS_REMEDY, FoundToolkit, find_toolkits


class CudaUnavailable(RuntimeError):
    """CUDA cannot be used here; the message says why and what to do."""


@dataclass(frozen=True)
class Obstacle:
    """Why a toolkit cannot be used, and what to do about it."""

    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.found}; {self.remedy}"


@dataclass(frozen=True)
class CudaSetup:
    """The toolkit and compiler flags for one GPU."""

    card: Card
    toolkit: Toolkit
    cc_flags: str
    nvcc_flags: str

    @property
    def identity(self) -> tuple:
        """Everything that code compiled with this setup depends on."""
        driver = installed_driver()
        capabilities = sorted({card.capability for card in driver.cards}) if driver else []
        return (
            str(self.toolkit.folder),
            self.toolkit.release,
            self.card.capability,
            capabilities,  # Jittor keeps what it compiles in a folder named after all of them
            self.cc_flags,
            self.nvcc_flags,
            remedies.shims_digest(),
        )


def set_up_or_processor(device: str, compiler: str = "g++") -> tuple[CudaSetup | None, tuple[str, ...]]:
    """`set_up` for "cpu" too, for which it is None, and where "auto" finds no GPU; and notes for the user.

    Raises:
        CudaUnavailable: there is no such GPU, or no toolkit for it; not with "auto".
        OSError: there is no usable cache folder.
    """
    if device == "cpu":
        return None, ()
    try:
        return set_up(device, compiler), ()
    except CudaUnavailable as problem:
        if device != "auto":
            raise CudaUnavailable(
                f"device = {device!r}, but {problem} (device = 'cpu' or 'auto' runs on the processor)"
            ) from problem
        driver = installed_driver()
        has_card = driver is not None and len(driver.cards) > 0
        return None, (f"{problem}; running on the CPU",) if has_card else ()


def set_up(device: str, compiler: str = "g++") -> CudaSetup:
    """The GPU, toolkit and flags for "auto", "cuda" or "cuda:N" with a C++ compiler.

    Raises:
        CudaUnavailable: there is no such GPU, or no toolkit for it.
        OSError: there is no usable cache folder.
    """
    try:
        card = choose_card(device)
    except NoSuchCard as error:
        raise CudaUnavailable(str(error)) from error
    driver = installed_driver()
    toolkits = find_toolkits()
    found = best_toolkit(toolkits, driver, card)
    if found is None:
        raise CudaUnavailable(str(why_none(toolkits, driver, card)))
    toolkit = linked(found)
    gcc = gcc_major(compiler)
    shims = remedies.kept_shims()
    flags = remedies.flags(found.version, card.capability, found.targets, gcc, shims=shims)
    return CudaSetup(card, toolkit, *flags)


def gcc_major(compiler: str) -> int | None:
    """Major version of a GCC, 12 for GCC 12.2; None if it is not printed."""
    done = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, errors="replace")
    major = done.stdout.partition(".")[0].strip()
    return int(major) if major.isdigit() else None


def best_toolkit(
    toolkits: list[FoundToolkit], driver: Driver | None, card: Card | None
) -> FoundToolkit | None:
    """The first usable toolkit; one of an unknown, newer version only if there is no other."""
    usable = [toolkit for toolkit in toolkits if obstacle(toolkit, driver, card) is None]
    return min(usable, key=lambda toolkit: toolkit.version[0] > NEWEST_MAJOR, default=None)


def obstacle(toolkit: FoundToolkit, driver: Driver | None, card: Card | None) -> Obstacle | None:
    """Why a toolkit cannot be used with a driver and a GPU; None if it can."""
    if toolkit.version < OLDEST:
        return Obstacle(f"{toolkit.name} is older than {OLDEST[0]}.{OLDEST[1]}", WHEELS_REMEDY)
    if toolkit.missing:
        return Obstacle(f"{toolkit.name} lacks {', '.join(toolkit.missing)}", WHEELS_REMEDY)
    if driver is not None and driver.version[0] < toolkit.version[0]:
        major, minor = driver.version
        return Obstacle(
            f"the driver serves CUDA {major}.{minor} at most, too old for {toolkit.name}",
            f"update the driver, or install a CUDA {major} toolkit",
        )
    if card is not None and not remedies.compiles_for(card.capability, toolkit.targets):
        return Obstacle(
            f"{toolkit.name} no longer compiles for {card.target} ({card.name})",
            f"install a CUDA {toolkit.version[0] - 1} toolkit",
        )
    return None


def why_none(toolkits: list[FoundToolkit], driver: Driver | None, card: Card | None) -> Obstacle:
    """Why no toolkit can be used: the obstacle of the first one."""
    found = (obstacle(toolkit, driver, card) for toolkit in toolkits)
    return next(filter(None, found), Obstacle("no CUDA toolkit (nvcc with its libraries)", WHEELS_REMEDY))
