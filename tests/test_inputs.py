"""Lists of files and labels, as users write them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mlaas4hep.errors import MLaaSError, ParamsError, SourceError
from mlaas4hep.inputs import Input, _splits, pair_labels, parse_files, parse_labels, read_list, resolve


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with some files, which need not be ROOT files here."""
    for name in ("sig.root", "bkg_2.root", "bkg_1.root", "deep/er/x.root", "lists/near.root"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def message(call: Callable[[], object], kind: type[MLaaSError]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def test_globs_are_sorted_and_share_a_line() -> None:
    assert resolve(["bkg_*.root", "sig.root:events"], "tree") == [
        Input("bkg_1.root", "tree", 0, 0),
        Input("bkg_2.root", "tree", 1, 0),
        Input("sig.root", "events", 2, 1),
    ]
    assert [item.path for item in resolve(["deep/**/*.root:a/b"])] == ["deep/er/x.root"]
    assert str(resolve(["deep/**/*.root:a/b"])[0]) == "deep/er/x.root:a/b"
    assert str(resolve(Path("sig.root"))[0]) == "sig.root"


def test_a_list_of_inputs(folder: Path) -> None:
    path = folder / "lists/files.txt"
    path.write_text("# signal\n  sig.root:events # the new one\n\n\tbkg_*.root\nnear.root:t\n", encoding="utf-8-sig")
    wanted = [("sig.root", "events", 0), ("bkg_1.root", None, 1), ("bkg_2.root", None, 1)]
    wanted.append((str(folder / "lists/near.root"), "t", 2))
    for given in (str(path), path, parse_files(str(path))):
        assert [(item.path, item.tree, item.line) for item in resolve(given)] == wanted


def test_what_files_may_be() -> None:
    assert parse_files("sig.root") == ["sig.root"]
    assert parse_files("sig.root, bkg_1.root:events,") == ["sig.root", "bkg_1.root:events"]
    Path("a,b.root").touch()
    assert parse_files("a,b.root") == ["a,b.root"]
    Path("all.list").write_text("sig.root\n")
    assert parse_files("all.list") == ["sig.root"]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no colon in a file name")
def test_colons_in_paths() -> None:
    Path("a:b.root").touch()
    Path("2024-01-01T10:30").mkdir()
    Path("2024-01-01T10:30/x.root").touch()
    assert resolve(["a:b.root"])[0] == Input("a:b.root", None, 0, 0)
    assert resolve(["a:b.root:t"])[0] == Input("a:b.root", "t", 0, 0)
    assert resolve(["2024*:30/*.root:dir/t"])[0] == Input("2024-01-01T10:30/x.root", "dir/t", 0, 0)
    assert resolve(["a[:]*.root"])[0] == Input("a:b.root", None, 0, 0)


def test_drives_of_windows() -> None:
    assert _splits(r"C:\data\x.root") == [(r"C:\data\x.root", None)]
    assert _splits("C:/data/x.root:events")[1:] == [("C:/data/x.root", "events")]
    assert _splits("x.root:")[1:] == [("x.root", None)]


def test_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert resolve(["~/sig.root:t"])[0] == Input(str(folder / "sig.root"), "t", 0, 0)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("sik.root:events", "sik.root: there is no such file (did you mean 'sig.root'?)"),
        ("nowhere/a.root", "nowhere/a.root: there is no such file, nor a folder 'nowhere' that can be read"),
        ("tau_*.root:t", "tau_*.root: no file matches this pattern"),
        ("deep", "deep: this is a folder; name its files, as in 'deep/*.root'"),
    ],
)
def test_what_is_not_there(entry: str, wanted: str) -> None:
    assert message(lambda: resolve([entry]), SourceError).replace(os.sep, "/").startswith(wanted)
    Path("files.txt").write_text(f"sig.root\n# background\n{entry}\n")
    found = message(lambda: resolve("files.txt"), SourceError).replace(os.sep, "/")
    assert found.startswith(f"files.txt, line 3: {wanted}")


def test_the_redirector() -> None:
    assert len(resolve(["sig.root"], redirector="root://host/")) == 1
    paths = [found.path for found in resolve(["/store/a.root:t", "b.root"], redirector="root://host/")]
    assert paths == ["root://host//store/a.root", "root://host//b.root"]
    assert resolve(["/store/a.root:t"], redirector="https://host/x")[0] == Input(
        "https://host/x/store/a.root", "t", 0, 0
    )
    found = resolve(["/store/*.root"], redirector="root://host", find=lambda url: [url.replace("*", "1")])
    assert [one.path for one in found] == ["root://host//store/1.root"]
    text = message(lambda: resolve(["deep"], redirector="root://host/"), SourceError)
    assert text.startswith("deep: this is a folder")


def test_urls() -> None:
    found = resolve(["root://eos:1094//a.root:t", "https://x.org:80/a.root?b=c:d", "s3://bucket/a.root"], "own")
    assert [(one.path, one.tree) for one in found] == [
        ("root://eos:1094//a.root", "t"),
        ("https://x.org:80/a.root?b=c:d", "own"),
        ("s3://bucket/a.root", "own"),
    ]
    Path("files.txt").write_text("# remote\nroot://host//x*.root\n")
    text = message(lambda: resolve("files.txt", find=lambda url: []), SourceError)
    assert text == "files.txt, line 2: root://host//x*.root: no file matches this pattern"


def test_nothing_to_read() -> None:
    Path("files.txt").write_text("# nothing yet\n\n")
    assert message(lambda: resolve("files.txt"), ParamsError) == (
        "files.txt: the list has no inputs; write a file a line"
    )
    assert "there are no input files" in message(lambda: resolve([]), ParamsError)
    assert "there are no input files" in message(lambda: resolve(" , "), ParamsError)


def test_lists_that_cannot_be_read(folder: Path) -> None:
    Path("files.txt").write_text("sig.root")
    assert message(lambda: read_list("file.txt"), SourceError) == (
        "file.txt: there is no such list (did you mean 'files.txt'?)"
    )
    Path("binary.txt").write_bytes(b"root\xff\xfe\x00")
    assert message(lambda: parse_files("binary.txt"), ParamsError).startswith("binary.txt: this is no text file")
    assert "the list cannot be read" in message(lambda: read_list(folder), SourceError)


def test_labels() -> None:
    Path("labels.txt").write_text("1 # signal\n\n0\n")
    assert parse_labels("labels.txt", 2) == [1, 0]
    assert parse_labels("1, 0,-3", 3) == [1, 0, -3]
    assert parse_labels("ttH,ttbar", 2) == ["ttH", "ttbar"]
    assert parse_labels("isSignal", 2) == "isSignal"
    assert parse_labels("7", 1) == [7]
    assert parse_labels("7", 2) == "7"
    assert parse_labels("x" * 5000, 2) == "x" * 5000
    assert pair_labels([True, False], 2) == [1, 0]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1,0,0", "labels: 3 labels for 2 inputs; give each input one label"),
        ("one.txt", "one.txt: 1 labels for 2 inputs"),
        ("1,ttbar", "labels: 1 is an integer, 'ttbar' a name; labels are all integers or all names"),
        ("1,", "labels: '' is no label; a label is an integer or the name of a class"),
    ],
)
def test_labels_that_do_not_fit(text: str, wanted: str) -> None:
    Path("one.txt").write_text("1\n")
    assert message(lambda: parse_labels(text, 2), ParamsError).startswith(wanted)


def test_other_labels() -> None:
    assert "labels: 0.5 is no label" in message(lambda: pair_labels([1, 0.5], 2), ParamsError)
    assert "nolabels.txt: there is no such list" in message(lambda: parse_labels("nolabels.txt", 2), SourceError)
