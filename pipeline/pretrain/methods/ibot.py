"""iBOT, DINO (iBOT without patch loss), and HSSL with either. Loss: `pipeline.pretrain.hssl_loss`."""

import jittor as jt

from pipeline.models.hssl import EncodingNetwork, build_student_teacher
from pipeline.models.joint_embedding import CANCELLED
from pipeline.models.projection_head import LAST_LAYER, is_hidden_bias
from pipeline.optim.schedules import Rates
from pipeline.pretrain.centers import Centers, initial_centers, updated_center
from pipeline.pretrain.collapse import collapse
from pipeline.pretrain.hssl_loss import hssl_losses, teacher_targets
from pipeline.pretrain.methods.method import Method, MethodInput, MethodState, Networks
from pipeline.pretrain.outputs import MethodOutput, TeacherOutput
from pipeline.pretrain.upload import uploaded


class Ibot(Method):
    """Student and teacher with prototypes; the method's own state is the centres of the teacher's logits."""

    published = "teacher"

    def networks(self) -> Networks:
        return Networks(*build_student_teacher(self.config))

    def initial_state(self) -> MethodState:
        head = self.config.projection_head
        return vars(initial_centers(head.num_prototypes, head.patch_dim)).copy()

    def forward(self, networks: Networks, inputs: MethodInput) -> MethodOutput:
        objective, batch = self.config.objective, uploaded(inputs.batch)
        centers, patches = Centers(**inputs.state), objective.patch_weight > 0
        targets = teacher_targets(networks.teacher, batch, centers, inputs.rates, patches=patches)
        losses = hssl_losses(networks.student, batch, targets, inputs.drop_path, objective)
        batch_means = {"cls": targets.mean_cls_logits}
        if targets.mean_patch_logits is not None:
            batch_means["patch"] = targets.mean_patch_logits
        return MethodOutput(losses, TeacherOutput(targets.features, targets.cls_probs), batch_means)

    def updated_state(self, method_state: MethodState, batch_means: dict[str, jt.Var]) -> MethodState:
        objective = self.config.objective
        momentum = {"cls": objective.center_momentum, "patch": objective.patch_center_momentum}
        return method_state | {
            name: updated_center(method_state[name], mean, momentum[name])
            for name, mean in batch_means.items()
        }

    def shared_terms(self) -> dict[str, float]:
        weight = self.config.objective.patch_weight
        return {"base_patch": weight} if weight > 0 else {}

    def without_shared_terms(self) -> "Ibot":
        objective = self.config.objective.model_copy(update={"patch_weight": 0.0})
        return Ibot(self.config.model_copy(update={"objective": objective}))

    def frozen(self, name: str, student: EncodingNetwork, rates: Rates) -> bool:
        if name == "backbone.mask_token":
            return not self.config.objective.patches_hidden
        if name in CANCELLED or is_hidden_bias(name):
            return self.config.projection_head.norm == "batch"
        return name in LAST_LAYER and rates.last_layer_frozen

    def warning(self, metrics: dict[str, float]) -> str | None:
        return collapse(metrics, self.config.projection_head.num_prototypes)
