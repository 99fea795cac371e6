from pipeline.classification.protocol import protocol
from pipeline.config.finetune import FinetuneConfig, MixingConfig

CONFIG = FinetuneConfig(seed=0)


def test_a_pretrained_network_is_told_from_a_supervised_one():
    words = protocol(CONFIG, weights="teacher", num_images=1_281_167, labels="")
    assert words == (
        "teacher fine-tuned end to end, mean patch token, 100 epochs (125114 steps of 1024), "
        "AdamW, base lr 0.0005, layer decay 0.65, drop path 0.1, RandAugment 2 x m9, mixup 0.8, cutmix 1, "
        "erasing 0.25, label smoothing 0.1, weights of the last step"
    )
    supervised = protocol(CONFIG, weights="random", num_images=1_281_167, labels="")
    assert supervised.startswith("from random initialisation: supervised, mean patch token, 100 epochs")


def test_labels_tokens_and_what_is_left_out_are_said():
    view = CONFIG.view.model_copy(update={"num_operations": 0})
    schedule = CONFIG.schedule.model_copy(update={"min_steps": 500, "batch_size": 64})
    config = CONFIG.model_copy(
        update={"pooling": "cls", "view": view, "schedule": schedule, "mixing": MixingConfig(probability=0)}
    )
    words = protocol(config, weights="teacher", num_images=160, labels=", 1 % of the training labels")
    for part in (
        "end to end, 1 % of the training labels, CLS token", "200 epochs (500 steps of 64)",
        "no RandAugment", "no mixing of images",
    ):  # fmt: skip
        assert part in words
