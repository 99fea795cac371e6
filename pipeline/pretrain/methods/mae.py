"""MAE, alone and with HSSL.

Alone: the base encodes some patches of a crop, a decoder reconstructs the pixels of the others, each patch
normalised:

    L = L_pixels = mean over hidden patches and their pixels of (decoder - pixels)^2

MAE has neither CLS loss nor teacher. With HSSL (this project's choice, the paper shows no such recipe) a
moving average of base and head encodes whole crops. The features of its head at hidden patches, each
normalised over channels, are a second target of the base's decoder, and the head learns as MAE does, by
reconstructing pixels:

    L_het = mean over hidden patches and channels of (decoder's features - norm(head^t))^2
    L_aux = mean over hidden patches and their pixels of (head's pixels - pixels)^2
    L = L_pixels + 0.5 auxiliary_weight (L_het + L_aux)

L_pixels keeps its weight, as iBOT's patch loss does beside L_het and L_aux. The head cannot collapse, because
its targets are pixels. The result is the student's base, as for MAE.

All losses are of global crops; there are no local ones. If a base cannot leave patches out, hidden ones are
replaced by its mask token (`pipeline.models.mae`).

Source: He et al. 2022.
"""

import jittor as jt
import numpy as np

from pipeline import kernels
from pipeline.models.hssl import EncodingNetwork, initialize_teacher
from pipeline.models.initialization import initialize
from pipeline.models.mae import MaeNetwork, PatchMasks, hidden_rows
from pipeline.optim.schedules import Rates
from pipeline.pretrain.methods.method import Method, MethodInput, Networks
from pipeline.pretrain.outputs import MethodOutput, TeacherOutput
from pipeline.pretrain.upload import as_variable
from pipeline.training.losses import Losses

_EPS = 1e-6


class Mae(Method):
    """Pixels of hidden patches and, with an auxiliary head, features of its moving average."""

    def networks(self) -> Networks:
        student = MaeNetwork(self.config)
        initialize(student, self.config.seed)
        if self.config.auxiliary_head is None:
            return Networks(student, None)
        teacher = EncodingNetwork(self.config)
        initialize_teacher(teacher, self.config.seed)
        return Networks(student, teacher)

    def forward(self, networks: Networks, inputs: MethodInput) -> MethodOutput:
        method, student, batch = self.config.method, networks.student, inputs.batch
        patch_masks = PatchMasks.of(batch.masks.reshape(-1, *batch.masks.shape[2:]))
        images = as_variable(batch.flat_global_crops)
        # Reading the images back waits for the device that made them; there is no faster way yet.
        crops = images.numpy() if isinstance(batch.flat_global_crops, jt.Var) else batch.flat_global_crops
        pixels = jt.array(hidden_pixels(crops, patch_masks, student.backbone.stride, method.normalize_pixels))
        predictions = student.predictions(images, patch_masks, inputs.drop_path.global_crops)
        total = mean_square(predictions.pixels, pixels)
        terms = {"pixels": total}
        if networks.teacher is not None:
            target = head_features(networks.teacher, images, patch_masks)
            terms["features"] = mean_square(predictions.features, target)
            terms["auxiliary_pixels"] = mean_square(predictions.auxiliary_pixels, pixels)
            both = terms["features"] + terms["auxiliary_pixels"]
            total = total + 0.5 * method.auxiliary_weight * both
        return MethodOutput(Losses(total, terms), TeacherOutput(predictions.cls))

    def frozen(self, name: str, student: MaeNetwork, rates: Rates) -> bool:
        # The mask token of a base that leaves patches out is not used; that of any other base is trained.
        return name == "backbone.mask_token" and student.hides


def hidden_pixels(crops: np.ndarray, patch_masks: PatchMasks, stride: int, normalize: bool) -> np.ndarray:
    """Pixels of the hidden patches, one row per patch.

    Args:
        crops: (B, C, H, W) float32.
        stride: s, pixels of a patch's side.
        normalize: to mean 0 and variance 1 within a row (variance over C s s - 1, eps 1e-6, as in MAE).

    Returns:
        (B (N - n), C s s) float32, channels first.
    """
    batch, channels, height, width = crops.shape
    grid = (height // stride, width // stride)
    cut = crops.reshape(batch, channels, grid[0], stride, grid[1], stride)
    patches = cut.transpose(0, 2, 4, 1, 3, 5)
    rows = patches.reshape(batch * grid[0] * grid[1], -1)[patch_masks.hidden_rows]
    if normalize:
        rows = rows - rows.mean(axis=1, keepdims=True)
        rows = rows / np.sqrt(rows.var(axis=1, ddof=1, keepdims=True) + _EPS)
    return np.ascontiguousarray(rows, np.float32)


def head_features(teacher: EncodingNetwork, images: jt.Var, patch_masks: PatchMasks) -> jt.Var:
    """The features of the teacher's head for whole crops at hidden patches, normalised, (B (N - n), D)."""
    with jt.no_grad():
        mixed = teacher.auxiliary_head.mixed(teacher.backbone(images).feature_map)
        rows = hidden_rows(mixed, patch_masks)
        width = rows.shape[1]
        return kernels.layer_norm(rows, jt.ones((width,)), jt.zeros((width,)), _EPS).stop_grad()


def mean_square(prediction: jt.Var, target: jt.Var) -> jt.Var:
    """(1,) mean over rows and columns of the squared difference."""
    difference = prediction - target
    # Sum over count: Jittor's own mean divides before it adds, and drifts in float32.
    return kernels.sum_of_all(difference * difference) / difference.numel()
