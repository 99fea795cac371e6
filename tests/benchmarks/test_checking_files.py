from benchmarks.programs import PROGRAMS


def test_both_decode_the_same_photographs(tmp_path):
    programs = [PROGRAMS[name].load({"images": 2}, tmp_path) for name in ("our-checking", "pillow-decoding")]
    ours, other = (program.check["sum of the first image"] for program in programs)
    assert ours == other > 0
    assert min(program.repeat() for program in programs) > 0


def test_a_shard_and_a_coco_file_are_read_whole(tmp_path):
    shard = PROGRAMS["shard-reading"].load({"images": 3}, tmp_path)
    assert len(shard.source) == 3
    assert shard.repeat() > 0
    found = shard.report()  # times are the machine's own; only that they were taken is sure
    assert min(found["file_seconds"], found["images_seconds"]) > 0
    coco = PROGRAMS["coco-file"].load({"images": 4, "objects": 9}, tmp_path)
    coco.repeat()
    assert sum(len(entry.target.objects) for entry in coco.source.entries()) == 9
