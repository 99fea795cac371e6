"""iBOT, DINO (iBOT without patch loss), and HSSL upon them. The loss is in `pipeline.pretrain.objective`."""

import jittor as jt

from pipeline.models.hssl import EncodingNetwork, build_student_teacher
from pipeline.models.joint_embedding import CANCELLED
from pipeline.models.projection_head import LAST_LAYER, is_hidden_bias
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.centers import Centers, initial_centers, updated_center
from pipeline.pretrain.methods.method import Memory, Method, Networks
from pipeline.pretrain.monitor import collapse
from pipeline.pretrain.objective import hssl_terms, teacher_targets
from pipeline.pretrain.paths import Paths
from pipeline.pretrain.terms import Answers, PartOutcome
from pipeline.pretrain.upload import uploaded


class Ibot(Method):
    """Student and teacher over shared prototypes; its own state are the centres of the teacher's logits."""

    published = "teacher"

    def networks(self) -> Networks:
        return Networks(*build_student_teacher(self.config))

    def memory(self) -> Memory:
        head = self.config.projection_head
        return vars(initial_centers(head.num_prototypes, head.patch_dim)).copy()

    def part(
        self, networks: Networks, memory: Memory, batch: Batch, paths: Paths, rates: Rates
    ) -> PartOutcome:
        objective, batch = self.config.objective, uploaded(batch)
        centers, patches = Centers(**memory), objective.patch_weight > 0
        targets = teacher_targets(networks.teacher, batch, centers, rates, patches=patches)
        terms = hssl_terms(networks.student, batch, targets, paths, objective)
        heard = {"cls": targets.mean_cls_logits}
        if targets.mean_patch_logits is not None:
            heard["patch"] = targets.mean_patch_logits
        return PartOutcome(terms, Answers(targets.features, targets.cls_probs), heard)

    def updated_memory(self, memory: Memory, heard: dict[str, jt.Var]) -> Memory:
        objective = self.config.objective
        momentum = {"cls": objective.center_momentum, "patch": objective.patch_center_momentum}
        return memory | {
            name: updated_center(memory[name], mean, momentum[name]) for name, mean in heard.items()
        }

    def frozen(self, name: str, student: EncodingNetwork, rates: Rates) -> bool:
        if name == "backbone.mask_token":
            return not self.config.objective.patches_hidden
        if name in CANCELLED or is_hidden_bias(name):
            return self.config.projection_head.norm == "batch"
        return name in LAST_LAYER and rates.last_layer_frozen

    def warning(self, metrics: dict[str, float]) -> str | None:
        return collapse(metrics, self.config.projection_head.num_prototypes)
