"""The folder in which chunks are made: whose it is, who may write there, and what is left of it."""

import errno
import json
import os
import platform
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from mlaas4hep.errors import Note, OutputError, ParamsError
from mlaas4hep.export import export
from mlaas4hep.export.work import Work
from mlaas4hep.output import JOURNAL

from tests.cli.invoke import everything
from tests.export.files import Stop, StopAfter, contents, in_child, make_dataset, stamps, write_inputs


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_inputs(tmp_path)
    return tmp_path


@pytest.fixture
def part(home: Path) -> Path:
    """What an interrupted run leaves: a journal, specs, and some chunks."""
    with pytest.raises(Stop):
        export(make_dataset(home), home / "out", size=60, progress=StopAfter(3))
    return home / "out.part"


def refused(home: Path, message: str) -> None:
    """See that the export is refused before any work, and that nothing is touched."""
    before, dataset = everything(home), make_dataset(home)
    with pytest.raises(OutputError, match=message):
        export(dataset, home / "out", size=60)
    assert everything(home) == before
    assert dataset.spent.scanning == 0


def test_what_is_in_it(part: Path) -> None:
    names = sorted(contents(part))
    chunks = [name for name in names if name.startswith("chunk-")]
    assert chunks == [f"chunk-{number:05}.parquet" for number in range(len(chunks))]
    assert sorted([*chunks, JOURNAL, "specs.json"]) == names
    start, *lines = map(json.loads, (part / JOURNAL).read_text().splitlines())
    assert sorted(start) == ["job", "specs", "version"]
    assert start["job"]["chunk size"] == 60
    assert lines == [{"chunk": name, "events": 60, "bytes": (part / name).stat().st_size} for name in chunks]


@pytest.mark.parametrize("what", ["file", "folder", "link", "link to nothing"])
def test_something_else_of_its_name(what: str, home: Path) -> None:
    path = home / "out.part"
    if what == "file":
        path.write_text("mine")
    elif what == "folder":
        path.mkdir()
        (path / "thesis.tex").touch()
    else:
        (home / "real").mkdir()
        path.symlink_to(home / ("real" if what == "link" else "nothing"))
    wrong = r"holds something that is not ours: 'thesis\.tex'" if what == "folder" else "exists and is no folder"
    refused(home, rf"out\.part: {wrong}; this is where the chunks are made: move it away, or name another folder")


@pytest.mark.parametrize("strange", ["notes.txt", "chunk-00000.parquet.bak", "plots/", "chunk-00009.npz"])
def test_something_else_in_it(strange: str, part: Path, home: Path) -> None:
    (part / strange).mkdir() if strange.endswith("/") else (part / strange).touch()
    if strange == "chunk-00009.npz":  # named as ours are, but no chunk of this job
        with pytest.warns(Note, match="an earlier run finished are kept"):
            export(make_dataset(home), home / "out", size=60)
        assert strange not in contents(home / "out")
    else:
        refused(home, rf"out\.part: holds something that is not ours: '{strange.rstrip('/')}'")


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]\n", b"\xff\xfe", b'{"version": 2, "job": {}, "specs": ""}\n', b"[" * 100_000]
)
def test_a_journal_that_is_not_ours(text: bytes, part: Path, home: Path) -> None:
    (part / JOURNAL).write_bytes(text)
    refused(home, rf"out\.part: exists, and its {JOURNAL} is not one that we wrote")


def test_no_journal(part: Path, home: Path) -> None:
    (part / JOURNAL).unlink()
    refused(home, rf"out\.part: exists, and its {JOURNAL} is missing")


@pytest.mark.parametrize("text", ['{"chunk": "chunk-0', "\x00\x00\x00", '{"chunk": 1, "events": "x", "bytes": 2}\n'])
def test_the_end_of_the_journal_is_damaged(text: str, part: Path, home: Path) -> None:
    export(make_dataset(home), home / "whole", size=60)
    with (part / JOURNAL).open("a") as file:
        file.write(text)
    with pytest.warns(Note, match="an earlier run finished are kept"):
        export(make_dataset(home), home / "out", size=60)
    assert contents(home / "out") == contents(home / "whole")


def test_chunks_behind_a_damaged_line_are_written_again(part: Path, home: Path) -> None:
    export(make_dataset(home), home / "whole", size=60)
    start, first, *rest = (part / JOURNAL).read_text().splitlines()
    (part / JOURNAL).write_text("\n".join([start, first, "}", *rest]) + "\n")
    with pytest.warns(Note, match=r"earlier run finished are kept: 1 \(60 events\)"):
        export(make_dataset(home), home / "out", size=60)
    assert contents(home / "out") == contents(home / "whole")


@pytest.mark.parametrize("damage", ["cut", "missing", "another's"])
def test_damaged_specs_are_made_again(damage: str, part: Path, home: Path) -> None:
    export(make_dataset(home), home / "whole", size=60)
    specs = part / "specs.json"
    if damage == "cut":
        os.truncate(specs, 100)
    elif damage == "missing":
        specs.unlink()
    else:
        make_dataset(home, nevts=50).specs().to_json(specs)
    dataset = make_dataset(home)
    with pytest.warns(Note, match="an earlier run finished are kept"):
        export(dataset, home / "out", size=60)
    assert dataset.spent.scanning > 0
    assert contents(home / "out") == contents(home / "whole")


def test_chunks_that_were_made_with_other_specs_are_not_used(part: Path, home: Path) -> None:
    export(make_dataset(home), home / "whole", size=60)
    start, *lines = (part / JOURNAL).read_text().splitlines()
    start = json.dumps(json.loads(start) | {"specs": "another hash"})
    (part / JOURNAL).write_text("\n".join([start, *lines]) + "\n")
    with pytest.warns(
        Note, match=r"out\.part: \d finished chunks with other specs cannot be used, and all is made anew"
    ):
        export(make_dataset(home), home / "out", size=60)
    assert contents(home / "out") == contents(home / "whole")


def test_an_error_of_the_user_leaves_nothing(home: Path) -> None:
    with pytest.raises(ParamsError, match="nothing to write"):
        export(make_dataset(home, split=(1, 0, 0)), home / "deep" / "out", part="test")
    assert sorted(path.name for path in home.iterdir()) == ["bkg.root", "sig.root"]


def test_it_is_no_output_folder_itself(part: Path, home: Path) -> None:
    with pytest.raises(OutputError, match=r"out\.part: exists, is not empty, and is not one of our output folders"):
        export(make_dataset(home), part)


def test_a_journal_that_a_killed_run_left_at_the_very_end(home: Path) -> None:
    export(make_dataset(home), home / "out", size=60)
    (home / "out" / JOURNAL).write_text("{}")
    export(make_dataset(home), home / "out", size=100)
    assert JOURNAL not in contents(home / "out")


WAITING = """
    import signal
    import sys
    from dataclasses import replace
    from mlaas4hep.cli.commands import cli
    from mlaas4hep.cli.edge import leave_by_signals, run
    from mlaas4hep.export import FORMATS
    npz, calls = FORMATS["npz"], []
    def slow(file, content):
        calls.append(1)
        if len(calls) == 4:
            file.write(b"half a chunk")
            file.flush()
            open("fifo").read()
            file.seek(0)
        npz.write(file, content)
    FORMATS["npz"] = replace(npz, write=slow)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
    leave_by_signals()
    raise SystemExit(run(cli, sys.argv[1:]))
    """
COMMAND = ["flatten", "--files", "sig.root,bkg.root", "--labels", "ttH,qcd", "--format", "npz"]


@contextmanager
def waiting(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command, which waits in the middle of its fourth chunk until the block ends."""
    (home / "params.json").write_text('{"chunk_size": 60}')
    os.mkfifo(home / "fifo")
    program = [
        sys.executable,
        "-c",
        dedent(WAITING),
        *COMMAND,
        "--out",
        "out",
        "--params",
        "params.json",
        "--threads",
        "1",
    ]
    with (home / "said").open("w") as said, subprocess.Popen(program, cwd=home, stderr=said) as process:
        with (home / "fifo").open("w"):  # opens as soon as the command reads it
            assert (home / "out.part" / ".chunk-00003.npz.part").read_bytes() == b"half a chunk"
            yield process
        process.wait(30)


def goes_on(home: Path, kept: int) -> None:
    """See that the same command ends with the bytes of an undisturbed run, and writes no chunk twice."""

    def run(out: str) -> str:
        program = [sys.executable, "-c", "from mlaas4hep.cli import main; main()", *COMMAND]
        given = [*program, "--params", "params.json", "--out", out]
        return subprocess.run(given, cwd=home, capture_output=True, text=True, check=True).stderr

    before = stamps(home / "out.part")
    assert sorted(before) == [f"chunk-{number:05}.npz" for number in range(kept)]
    assert run("out") == f"note: chunks that an earlier run finished are kept: {kept} ({60 * kept} events)\n"
    assert run("whole") == ""
    assert contents(home / "out") == contents(home / "whole")
    assert before.items() <= stamps(home / "out").items()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
class TestSignals:
    """Real processes, and what ends them."""

    def test_a_process_that_is_killed(self, home: Path) -> None:
        with waiting(home) as process:
            process.kill()
            process.wait()
        assert (home / ".out.lock").exists()
        goes_on(home, 3)
        assert not (home / ".out.lock").exists()

    @pytest.mark.parametrize(
        ("number", "status", "message"),
        [(signal.SIGINT, 130, "\nmlaas4hep: interrupted\n"), (signal.SIGTERM, 143, "mlaas4hep: ended by SIGTERM\n")],
    )
    def test_a_process_that_is_ended(self, number: signal.Signals, status: int, message: str, home: Path) -> None:
        with waiting(home) as process:
            process.send_signal(number)
        kept = f"note: finished chunks (4) kept in {home}/out.part: start the same command again to go on\n"
        assert (process.returncode, (home / "said").read_text()) == (status, message + kept)
        goes_on(home, 4)

    def test_a_second_process_is_refused(self, home: Path) -> None:
        with waiting(home) as process:
            who = f"{process.pid} on {platform.node()}"
            refused(home, rf"out: another process \({who}\) is writing there; wait for it, or name another folder")
        assert process.returncode == 0
        assert len(stamps(home / "out")) == 9


def limited(action: Callable[[], object], size: int) -> None:
    """Do something in a process whose files may have so many bytes, and see that it can."""

    def run() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        action()

    assert in_child(run) == 0


@pytest.mark.parametrize("form", ["parquet", "arrow", "npz", "hdf5"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning", "ignore:.*an earlier run finished")
def test_no_room_for_a_chunk(form: str, home: Path) -> None:
    with pytest.raises(Stop):
        export(make_dataset(home, threads=1), home / "out", form=form, size=250, progress=StopAfter(1))
    kept = stamps(home / "out.part")

    def run() -> None:
        with pytest.raises(OutputError, match=r"/out: cannot be written \(File too large\)") as raised:
            export(make_dataset(home), home / "out", form=form, size=250)
        assert raised.value.__notes__[0].startswith(f"finished chunks (1) kept in {home / 'out.part'}: start the same")

    limited(run, 4000)
    assert stamps(home / "out.part") == kept
    assert not list((home / "out.part").glob(".*"))
    assert not (home / ".out.lock").exists()
    export(make_dataset(home), home / "out", form=form, size=250)
    export(make_dataset(home), home / "whole", form=form, size=250)
    assert contents(home / "out") == contents(home / "whole")


def test_a_full_disk_at_the_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("mlaas4hep.output._write_manifest", full)
        with pytest.raises(OutputError, match=r"out: cannot be written \(No space left on device\)") as raised:
            export(make_dataset(home), home / "out", size=60)
    assert raised.value.__notes__[0].startswith("finished chunks (9) kept in ")
    dataset = make_dataset(home)
    with pytest.warns(Note, match=r"earlier run finished are kept: 9 \(500 events\)"):
        export(dataset, home / "out", size=60)
    assert dataset.spent.events == 0


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux has a folder that nobody can write")
def test_a_place_that_cannot_be_written(home: Path) -> None:
    dataset = make_dataset(home)
    with pytest.raises(OutputError, match=r"/proc/out: cannot be written \("):
        export(dataset, "/proc/out")
    assert dataset.spent.scanning == 0


def test_an_error_while_chunks_are_made_keeps_what_is_finished(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = Work._write, list[str]()

    def fail(work: Work, name: str, content: object) -> int:
        calls.append(name)
        if len(calls) == 3:
            raise MemoryError
        return write(work, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(Work, "_write", fail)
        with pytest.raises(MemoryError) as raised:
            export(make_dataset(home, threads=1), home / "out", size=60)
    assert raised.value.__notes__[0].startswith("finished chunks (2) kept in ")
    assert sorted(stamps(home / "out.part")) == ["chunk-00000.parquet", "chunk-00001.parquet"]
