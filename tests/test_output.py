"""Output folders: written whole or not at all, and never over what is not ours."""

import errno
import json
import os
from pathlib import Path

import pytest
from mlaas4hep.errors import OutputError
from mlaas4hep.output import MANIFEST, OutputFolder


def write(path: Path, *names: str, text: str = "new") -> None:
    """Write an output folder with a file for each name."""
    with OutputFolder(path) as folder:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)


def write_and_raise(path: Path, error: type[BaseException]) -> None:
    """Write a file of an output folder, then fail."""
    with OutputFolder(path) as folder:
        (folder / "a").write_text("new")
        raise error


def tree(path: Path) -> set[str]:
    """Every file and folder below ``path``."""
    return {found.relative_to(path).as_posix() for found in path.rglob("*")}


def test_a_new_folder_lists_its_files(tmp_path: Path) -> None:
    write(tmp_path / "out", "metrics.json", "shards/a.npy")
    assert tree(tmp_path / "out") == {"metrics.json", "shards", "shards/a.npy", MANIFEST}
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest == {"version": 1, "files": ["metrics.json", "shards/a.npy"]}
    assert tree(tmp_path) == {"out", *(f"out/{name}" for name in tree(tmp_path / "out"))}


def test_nothing_is_at_the_path_before_the_end(tmp_path: Path) -> None:
    with OutputFolder(tmp_path / "out") as folder:
        assert folder.parent == tmp_path
        assert not (tmp_path / "out").exists()


def test_an_older_folder_of_ours_is_replaced_whole(tmp_path: Path) -> None:
    write(tmp_path / "out", "old.json", "shards/a.npy")
    write(tmp_path / "out", "new.json")
    assert tree(tmp_path) == {"out", "out/new.json", f"out/{MANIFEST}"}


def test_a_folder_of_ours_that_lost_a_file_is_still_ours(tmp_path: Path) -> None:
    write(tmp_path / "out", "a", "shards/b")
    (tmp_path / "out/a").unlink()
    write(tmp_path / "out", "c")
    assert tree(tmp_path / "out") == {"c", MANIFEST}


def test_an_empty_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", "a")
    assert tree(tmp_path) == {"out", "out/a", f"out/{MANIFEST}"}


def test_missing_parents_are_created_and_removed_again(tmp_path: Path) -> None:
    write(tmp_path / "one/two/out", "a")
    assert (tmp_path / "one/two/out/a").read_text() == "new"
    with pytest.raises(RuntimeError, match="stop"), OutputFolder(tmp_path / "three/four/out"):
        raise RuntimeError("stop")
    assert not (tmp_path / "three").exists()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    write(tmp_path / "out", "a", text="old")
    before = tree(tmp_path)
    with pytest.raises(error):
        write_and_raise(tmp_path / "out", error)
    assert tree(tmp_path) == before
    assert (tmp_path / "out/a").read_text() == "old"


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match=r"out: exists and is no folder; nothing was written"):
        OutputFolder(tmp_path / "out").check()
    assert (tmp_path / "out").read_text() == "mine"


def test_a_file_among_the_parents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"), OutputFolder(tmp_path / "file/out"):
        pass
    assert tree(tmp_path) == {"file"}


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match=r"not one of our output folders"), OutputFolder(tmp_path / "out"):
        pass
    assert tree(tmp_path) == {"out", "out/thesis.tex"}


@pytest.mark.parametrize("strange", ["notes.txt", "plots/", "plots/a.png", "shards/b.npy"])
def test_a_folder_of_ours_with_something_else_is_refused(tmp_path: Path, strange: str) -> None:
    write(tmp_path / "out", "a", "shards/a.npy")
    target = tmp_path / "out" / strange
    target.parent.mkdir(exist_ok=True)
    if strange.endswith("/"):
        target.mkdir()
    else:
        target.write_text("mine")
    with pytest.raises(OutputError, match=f"holds something that is not ours: '{strange.rstrip('/')}'"):
        OutputFolder(tmp_path / "out").check()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', '{"files": [1]}'])
def test_a_manifest_that_is_not_ours_is_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).write_text(text)
    with pytest.raises(OutputError, match=f"its {MANIFEST} is not one that we wrote"):
        OutputFolder(tmp_path / "out").check()


def test_something_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is no folder"), OutputFolder(tmp_path / "out"):
        (tmp_path / "out").write_text("mine")
    assert tree(tmp_path) == {"out"}


def test_the_working_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="the working directory"):
        OutputFolder(".").check()


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    write(tmp_path / "real", "a")
    (tmp_path / "out").symlink_to("real")
    write(tmp_path / "out", "b")
    assert (tmp_path / "out").is_symlink()
    assert tree(tmp_path / "real") == {"b", MANIFEST}


def test_a_link_inside_a_folder_of_ours_is_not_ours(tmp_path: Path) -> None:
    write(tmp_path / "out", "a")
    (tmp_path / "kept").write_text("mine")
    (tmp_path / "out/a").unlink()
    (tmp_path / "out/a").symlink_to(tmp_path / "kept")
    with pytest.raises(OutputError, match="not ours: 'a'"):
        OutputFolder(tmp_path / "out").check()


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("out")
    with pytest.raises(OutputError, match="out"), OutputFolder(tmp_path / "out"):
        pass


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux has a folder that nobody can write")
def test_a_place_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(OutputError, match="/proc/out: cannot be written"), OutputFolder("/proc/out"):
        pass


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"), OutputFolder(tmp_path / "out"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert tree(tmp_path) == set()


def test_the_old_folder_is_put_back_if_the_last_step_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "out", "a", text="old")
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out", "a")
    assert tree(tmp_path) == {"out", "out/a", f"out/{MANIFEST}"}
    assert (tmp_path / "out/a").read_text() == "old"


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    write(tmp_path / "out", "a")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode
