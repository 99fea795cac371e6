import io
import pickle
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.datasets.archive import Archive, archive_kind
from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.image_folder import ImageFolder

PATHS = ["train/b/1.png", "train/a/2.PNG", "test/a/ä/3.png", "beside.png"]


def write(path, members):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def contents(source, entry):
    return entry.data if source.access == "sequential" else source.read(entry.path, entry.start, entry.size)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_equals_the_folder_that_was_packed(tmp_path, tree, name):
    root = tree(tmp_path / "root", PATHS)
    others = {"./README.md": b"text", "__MACOSX/train/b/._1.png": b"x", "train/a/.hidden.png": b"x"}
    path = write(tmp_path / name, {f"./{p}": (root / p).read_bytes() for p in PATHS} | others)
    archive, folder = Archive(path, max_bytes=10**6), ImageFolder(root, max_bytes=10**6)
    found, expected = list(archive.entries()), list(folder.entries())
    if archive.access == "sequential":
        found.sort(key=lambda e: e.path)
        expected.sort(key=lambda e: e.path)
    assert [(e.path, e.split, e.class_name) for e in found] == [
        (e.path, e.split, e.class_name) for e in expected
    ]
    assert len(archive) == len(folder) == 3
    assert archive.num_outside == 1
    for entry in found:
        assert contents(archive, entry) == (root / entry.path).read_bytes()


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz"])
def test_unsafe_names_are_refused_and_nothing_is_written(tmp_path, png, name):
    names = ["../evil.png", "/etc/evil.png", "a/../../evil.png", "C:/evil.png", "..\\evil.png", "fine.png"]
    path = write(tmp_path / name, {n: png(i) for i, n in enumerate(names)})
    entries = list(Archive(path, max_bytes=10**6).entries())
    assert [e.path for e in entries if e.problem is None] == ["fine.png"]
    assert sum("unsafe name" in (e.problem or "") for e in entries) == 5
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_links_in_a_tar_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("link.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    (entry,) = Archive(tmp_path / "a.tar", max_bytes=10**6).entries()
    assert "link" in entry.problem


def test_a_bomb_in_a_zip_is_refused(tmp_path):
    path = write(tmp_path / "a.zip", {"zeros.png": bytes(10**7)})
    archive = Archive(path, max_bytes=10**6)
    (entry,) = archive.entries()
    with pytest.raises(UndecodableImage, match="decompression bomb"):
        archive.read(entry.path, entry.start, entry.size)


def test_a_flipped_bit_in_a_zip_is_noticed(tmp_path, png):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.png", png(0))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[60] ^= 1
    (tmp_path / "a.zip").write_bytes(data)
    archive = Archive(tmp_path / "a.zip", max_bytes=10**6)
    (entry,) = archive.entries()
    with pytest.raises(UndecodableImage, match="checksum"):
        archive.read(entry.path, entry.start, entry.size)


def test_damaged_archives_are_named(tmp_path, png):
    whole = write(tmp_path / "a.tgz", {f"{i}.png": png(i, 60, 60) for i in range(9)}).read_bytes()
    (tmp_path / "half.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"half\.tgz: damaged tar"):
        len(Archive(tmp_path / "half.tgz", max_bytes=10**6))
    for length in (2, 3, 5, 12):
        (tmp_path / "short.tgz").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"short\.tgz: damaged tar"):
            len(Archive(tmp_path / "short.tgz", max_bytes=10**6))
    (tmp_path / "words.zip").write_text("no archive")
    with pytest.raises(ValueError, match=r"words\.zip: expected"):
        Archive(tmp_path / "words.zip", max_bytes=10**6)
    assert archive_kind(tmp_path / "words.zip") is None


def test_threads_and_processes_share_it(tmp_path, png):
    images = {f"{i:03d}.png": png(i) for i in range(50)}
    archive = Archive(write(tmp_path / "a.zip", images), max_bytes=10**6)
    entries = list(archive.entries())
    copy = pickle.loads(pickle.dumps(archive))
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda e: copy.read(e.path, e.start, e.size), entries))
    assert read == list(images.values())


def test_a_member_without_a_name_is_none_of_the_images(tmp_path, png):
    """Python's zipfile ends a name at a zero byte, and cannot say whether nothing is a folder."""
    path = write(tmp_path / "a.zip", {"train/a/0.png": png(0), "train/a/1.png": png(1)})
    path.write_bytes(path.read_bytes().replace(b"train/a/1.png", b"\0rain/a/1.png"))
    assert [entry.path for entry in Archive(path, max_bytes=10**6).entries()] == ["train/a/0.png"]
