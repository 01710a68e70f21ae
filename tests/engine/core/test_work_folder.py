"""What a command lays aside in the temporary folder is removed, however the command ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import pytest

from governed_ml.core import work_folder
from governed_ml.core.process_settings import ended_in_order
from governed_ml.registry import register
from governed_ml.registry.remeasure import recompute

COMMAND = """import subprocess, sys
from governed_ml.core.process_settings import ended_in_order
from governed_ml.core.work_folder import work_folder
with ended_in_order(), work_folder() as folder:
    (folder / "raw.parquet").write_bytes(b"rows")
    print("there", flush=True)
    subprocess.run([sys.executable, "-c", "import time; time.sleep(99)"], stdout=subprocess.DEVNULL)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that only this test uses."""
    for name in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def ended(number: int) -> int:
    """Start a command with rows in its work folder, end it by a signal, return its exit code."""
    command = subprocess.Popen([sys.executable, "-c", COMMAND], stdout=subprocess.PIPE)
    with command:
        assert command.stdout
        assert command.stdout.readline() == b"there\n"
        command.send_signal(number)
        return command.wait(60)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a signal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_terminated_command_leaves_no_rows_behind(temporary: Path, number: int) -> None:
    # Given a command that works on rows, when it is told to end
    code = ended(number)
    # Then it says so, and nothing is left
    assert code in (143, -signal.SIGINT)
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a signal")
def test_files_left_by_a_killed_command_are_removed_by_the_next(temporary: Path) -> None:
    # Given rows that a killed command left some time ago
    assert ended(signal.SIGKILL) == -signal.SIGKILL
    (left,) = temporary.glob("governed-ml-work-*")
    assert (left / "work" / "raw.parquet").is_file()
    # When another command starts at once, then it could be at work still; later it is removed
    with work_folder.work_folder():
        assert left.is_dir()
    os.utime(left, (0, 0))
    with work_folder.work_folder() as mine:
        assert not left.exists()
        # And a folder in which somebody works stays, however old it is
        os.utime(mine.parent, (0, 0))
        assert work_folder.remove_left_over() == []
        assert mine.is_dir()
    assert list(temporary.iterdir()) == []


def test_folders_of_others_stay(temporary: Path) -> None:
    # Given old folders, links and files that no command of the engine made
    (temporary / "governed-ml").mkdir()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (temporary / "governed-ml-work-file").touch()
    with mock.patch.object(work_folder, "YOUNG", -1.0):
        (temporary / "governed-ml-work-link").symlink_to(elsewhere, target_is_directory=True)
        # When left folders are looked for, then none of them is touched
        assert work_folder.remove_left_over() == []
    assert (elsewhere / "kept").is_file()
    assert len(list(temporary.iterdir())) == 4


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a signal")
def test_a_terminated_register_command_leaves_no_table_behind(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a registration that has just copied the tables
    def copied(_: object, __: object, ___: object, scratch: Path, ____: object) -> None:
        (scratch / "data").mkdir()
        (scratch / "data" / "raw.parquet").write_bytes(b"rows")
        assert list(temporary.rglob("raw.parquet"))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    names = "require_clean head read_approvers situation require_in_remote"
    for name in names.split():
        monkeypatch.setattr(register, name, mock.Mock())
    monkeypatch.setattr(register, "_rival", mock.Mock(return_value=(None, "")))
    monkeypatch.setattr(register, "signing", mock.Mock())
    monkeypatch.setattr(register, "recompute", copied)
    # When it is told to end
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end, ended_in_order():
        register.register(Path(), mock.Mock(), mock.Mock())
    # Then it does, without them; and the signal is as it was
    assert end.value.code == 143
    assert list(temporary.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_stage_that_is_measured_again_leaves_its_files_beside_the_copy(tmp_path: Path) -> None:
    # Given a copy of a project, when a stage runs in it
    scratch = tmp_path / "copy"
    scratch.mkdir()
    seen: dict[str, str] = {}

    def run(*_: object, env: dict[str, str], **__: object) -> object:
        seen.update(env)
        return mock.Mock(returncode=0)

    with mock.patch.object(subprocess, "run", run):
        recompute.run_stage(scratch, "train")
    # Then its temporary folder is removed with the copy
    for name in ("TMPDIR", "TMP", "TEMP"):
        assert Path(seen[name]) == tmp_path / "tmp"
    assert (tmp_path / "tmp").is_dir()
