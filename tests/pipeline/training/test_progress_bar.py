from pipeline.training.progress import Progress
from pipeline.training.progress_bar import step_bar


def test_the_monitors_last_numbers_stay_on_the_bar(capsys):
    seen = {"monitor_knn_top1": 0.512, "monitor_rankme": 33.3, "monitor_alignment": 0.4}
    with step_bar(None, lambda: None) as report:
        report(Progress(1, 3, {"loss": 2.0, **seen}, None))
        report(Progress(3, 3, {"loss": 1.0}, None))
    last = capsys.readouterr().err.rstrip("\n").split("\r")[-1]
    assert "loss 1 k-NN 0.512 RankMe 33.3" in last
    assert "alignment" not in last
