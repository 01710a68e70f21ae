"""The prediction log: what was confirmed is there once, whatever happens to the writer."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logged import found, ids, left, record

from governed_ml.core.problem import Problem
from governed_ml.pipeline.prediction_log import closed_files, segment
from governed_ml.pipeline.prediction_log.places import SENSITIVE
from governed_ml.pipeline.prediction_log.store import Store, Unwritable

HELPERS = Path(__file__).parents[2] / "helpers"
NAMES = st.text(min_size=1, max_size=8).filter(lambda one: one.isprintable())
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The records of a segment, every line of which is whole."""
    content = path.read_text(encoding="utf-8")
    assert content.endswith("\n")
    return [json.loads(line) for line in content.splitlines()]


def test_records_are_read_while_they_are_written_and_afterwards(tmp_path: Path) -> None:
    # Given a store to which batches are appended
    store = Store(tmp_path)
    store.append([record(1), record(2)])
    store.append([])
    store.append([record(3)])
    # When it is read before and after it is closed, then each record is there once
    before = found(tmp_path)
    assert [one["request_id"] for one in before] == ["r1", "r2", "r3"]
    assert store.bytes == left(tmp_path, "*.jsonl")[0].stat().st_size
    assert store.lag_seconds > 0
    store.close()
    assert found(tmp_path) == before
    assert (store.bytes, store.lag_seconds) == (0, 0)
    # And the segment became one Parquet file in a folder of its day
    [file] = tmp_path.rglob("*.*.*")
    assert file.suffix == ".parquet"
    assert datetime.now(UTC).strftime("%Y-%m-%d")[:8] == file.parent.name[:8]
    # And a closed store says so
    with pytest.raises(Unwritable, match="is closed: nothing is written"):
        store.append([record(4)])


def test_values_are_read_as_they_were_written(tmp_path: Path) -> None:
    # Given values of every kind, also those that look like others
    moment = datetime(2026, 1, 31, 12, 0, 0, 5000, UTC)
    rows = [
        record(1, naïve=2**63 - 1, day="2026-01-31", code="007", arm="champion", some=None),
        record(2, naïve=-5, day="2026-02-01T00:00:00Z", flag=True, 日本=1e-320, mixed="x"),
        record(3, mixed=5, flag=None, when=moment, none=pd.NaT, n=np.int64(3), x=np.float32(0.5)),
    ]
    with Store(tmp_path) as store:
        store.append(rows)
        open_rows = found(tmp_path)
    # When they are read, open and closed, then a text is a text and a number is exact
    assert found(tmp_path) == open_rows
    one, two, three = open_rows
    assert (one["naïve"], two["naïve"]) == (2**63 - 1, -5)
    assert (one["day"], one["code"], one["some"], one["flag"]) == ("2026-01-31", "007", None, None)
    assert (two["日本"], two["flag"], two["mixed"], three["mixed"]) == (1e-320, True, "x", "5")
    assert (three["when"], three["none"]) == ("2026-01-31T12:00:00.005000", None)
    assert (three["n"], three["x"]) == (3, 0.5)
    # And an integer that no column holds is the nearest number
    with Store(tmp_path / "large") as store:
        store.append([record(1, size=10**30), record(2, size=7)])
    assert [one["size"] for one in found(tmp_path / "large")] == [1e30, 7.0]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "'income' is not a finite number"),
        (np.float64("inf"), "'income' is not a finite number"),
        (10**400, "'income' is too large a number"),
        ([1], "'income' has a list"),
        (np.ones(2), "'income' has a ndarray"),
        ("\ud800", "no valid Unicode"),
        ("é" * 6_000_000, "a row has 12,000,"),
    ],
)
def test_what_no_log_can_hold_is_refused(tmp_path: Path, value: Any, said: str) -> None:
    # Given a batch with such a value in its second record, when it is appended
    store = Store(tmp_path)
    with pytest.raises(Unwritable, match=said):
        store.append([record(1), record(2, income=value)])
    with pytest.raises(Unwritable, match="a column has no name"):
        store.append([{"": 1}])
    # Then nothing of it is there, and the next batch is written
    store.append([record(3)])
    assert ids(tmp_path) == ["r3"]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.dictionaries(NAMES, VALUES, max_size=5), min_size=1, max_size=5),
    st.dictionaries(NAMES, VALUES, max_size=5),
    st.data(),
)
def test_a_crash_at_any_byte_loses_nothing_that_was_confirmed(
    batches: list[dict[str, Any]], last: dict[str, Any], data: st.DataObject
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        # Given confirmed records with any columns and values, and the death of the writer
        store = Store(folder)
        for number, more in enumerate(batches):
            store.append([{**unambiguous(more), **record(number)}])
        before = {path: path.stat().st_size for path in left(folder, "*.jsonl")}
        store.append([{**unambiguous(last), **record(98)}, record(99)])
        newest = max(left(folder, "*.jsonl"), key=lambda path: path not in before)
        cut = data.draw(st.integers(before.get(newest, 0), newest.stat().st_size))
        os.truncate(newest, cut)
        # When the log is read, then all that was confirmed is there, with the same values
        seen = {one["request_id"]: one for one in found(folder)}
        assert [f"r{number}" for number in range(len(batches))] == [*seen][: len(batches)]
        for number, more in enumerate(batches):
            for column, value in unambiguous(more).items():
                assert seen[f"r{number}"][column] == value, column
        # And nothing changes when another process closes what was left
        release(store)
        assert closed_files.adopt(folder) == []
        assert {one["request_id"]: one for one in found(folder)} == seen
        assert not left(folder, "*.jsonl")


def unambiguous(more: dict[str, Any]) -> dict[str, Any]:
    """Columns whose names say the type of their values, so that no two files differ in it."""
    return {f"{type(value).__name__} {name}": value for name, value in more.items()}


def release(store: Store) -> None:
    """Give up a store's locks, as the death of its process does."""
    for one in store._waiting():
        one.release()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failed_write_leaves_whole_records_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    # Given a disk that takes some bytes of a batch and then refuses
    store = Store(tmp_path)
    store.append([record(1)])
    write = os.write

    def full(handle: int, content: Any) -> int:
        if len(content) < 60:
            raise OSError(code, os.strerror(code))
        return write(handle, bytes(content)[:30])

    monkeypatch.setattr(segment.os, "write", full)
    with pytest.raises(Unwritable, match=f"cannot write the log .*: {os.strerror(code)}; free"):
        store.append([record(2), record(3), record(4)])
    monkeypatch.undo()
    # When it has space again, then only the failed batch is missing
    [path] = left(tmp_path, "*.jsonl")
    assert lines_of(path) == [record(1)]
    store.append([record(5)])
    assert left(tmp_path, "*.jsonl") == [path]
    assert ids(tmp_path) == ["r1", "r5"]


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a system that writes seven bytes at once, when a batch is appended
    write = os.write
    monkeypatch.setattr(segment.os, "write", lambda handle, content: write(handle, content[:7]))
    store = Store(tmp_path)
    store.append([record(1), record(2)])
    # Then it is whole
    assert lines_of(left(tmp_path, "*.jsonl")[0]) == [record(1), record(2)]


def test_a_file_that_cannot_be_cut_is_left_for_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a write that fails after a whole record, and cannot be undone
    store = Store(tmp_path)
    store.append([record(1)])
    write, line = os.write, len(json.dumps(record(2), separators=(",", ":"))) + 1

    def broken(handle: int, content: Any) -> int:
        if len(content) == line:
            raise OSError(errno.EIO, "Input/output error")
        return write(handle, bytes(content)[: len(content) - line])

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(segment.os, "write", broken)
    monkeypatch.setattr(segment.os, "ftruncate", fail)
    with pytest.raises(Unwritable):
        store.append([record(2), record(3)])
    monkeypatch.undo()
    # When more is appended, then it goes to another file
    store.append([record(4)])
    assert len(left(tmp_path, "*.jsonl")) == 2
    # And what was never confirmed is cut off when the file is closed
    store.close()
    assert ids(tmp_path) == ["r1", "r4"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
def test_a_file_or_folder_that_was_taken_away_is_noticed(tmp_path: Path) -> None:
    # Given a segment that somebody deletes, moves, or whose folder is deleted
    store = Store(tmp_path / "log")
    for number, take in enumerate(
        [
            lambda path: path.unlink(),
            lambda path: path.rename(tmp_path / "moved"),
            lambda path: shutil.rmtree(path.parent.parent),
        ]
    ):
        store.append([record(number)])
        [path] = left(tmp_path / "log", "*.jsonl")
        take(path)
    # When more is appended, then it is in a new file
    store.append([record(9)])
    assert (ids(tmp_path / "log"), store.vanished) == (["r9"], 3)
    # And where no folder can be made, it is refused until one can
    shutil.rmtree(tmp_path / "log")
    (tmp_path / "log").write_text("no folder", encoding="utf-8")
    with pytest.raises(Unwritable, match="cannot write the log"):
        store.append([record(10)])
    (tmp_path / "log").unlink()
    store.append([record(11)])
    assert ids(tmp_path / "log") == ["r11"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk_is_an_error_of_one_line(tmp_path: Path) -> None:
    # Given a process whose files may have 4096 bytes
    text = f"""
import resource
from pathlib import Path
from governed_ml.pipeline.prediction_log.store import Store, Unwritable
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
store = Store(Path({str(tmp_path)!r}))
number = 0
try:
    while True:
        store.append([{{"request_id": f"r{{number:05}}", "row": 0}}] * 3)
        number += 1
except Unwritable as problem:
    print(number, problem)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
store.append([{{"request_id": "last", "row": 0}}])
"""
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60
    )
    # When it appends until that fails, then it says why, and the file has whole batches only
    number, _, said = done.stdout.strip().partition(" ")
    assert "File too large; free disk space" in said
    assert int(number) > 10
    [path] = left(tmp_path, "*.jsonl")
    assert len(lines_of(path)) == 3 * int(number) + 1
    assert lines_of(path)[-1]["request_id"] == "last"


def test_segments_are_closed_by_size_and_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a store with small segments, when more is appended than one takes
    store = Store(tmp_path, rotate_bytes=100, rotate_seconds=10)
    for number in range(12):
        store.append([{"request_id": f"r{number:02}", "row": 0}])  # of 29 bytes
    assert len(left(tmp_path, "*.jsonl")) == 3
    # Then full ones become Parquet in the background, and the open one stays
    store.rotate_if_due()
    assert [len(left(tmp_path, one)) for one in ("*.jsonl", "*.parquet")] == [0, 3]
    store.append([record(12)])
    store.rotate_if_due()
    assert [len(left(tmp_path, one)) for one in ("*.jsonl", "*.parquet")] == [1, 3]
    # And an old one is closed although it is small
    later = segment.time.monotonic() + 11
    monkeypatch.setattr(segment.time, "monotonic", lambda: later)
    assert store.lag_seconds >= 10
    store.rotate_if_due()
    assert [len(left(tmp_path, one)) for one in ("*.jsonl", "*.parquet")] == [0, 4]
    assert ids(tmp_path) == [f"r{number:02}" for number in range(13)]


def test_columns_that_differ_in_case_go_to_different_files(tmp_path: Path) -> None:
    # Given two versions whose columns differ only in case, when both are logged
    store = Store(tmp_path)
    store.append([record(1, Age=1)])
    store.append([record(2, age=2)])
    store.close()
    # Then no value is lost
    assert {(one.get("Age"), one.get("age")) for one in found(tmp_path)} == {(1, None), (None, 2)}


@pytest.mark.parametrize("step", ["to_parquet", "replace", "remove"])
def test_a_crash_while_a_segment_is_closed_counts_each_record_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    # Given a process that dies before the Parquet file, before its name, or before the removal
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    store = Store(tmp_path)
    store.append([record(1), record(2)])
    monkeypatch.setattr(closed_files.Path if step == "replace" else closed_files, step, die)
    with pytest.raises(Killed):
        store.close()
    monkeypatch.undo()
    release(store)
    # When the log is read, then each record is there once
    assert len(left(tmp_path, "*.jsonl")) == 1
    assert len(left(tmp_path, "*.parquet")) == (1 if step == "remove" else 0)
    assert ids(tmp_path) == ["r1", "r2"]
    # And the next process finishes what was begun
    Store(tmp_path).rotate_if_due()
    assert [path.suffix for path in left(tmp_path, "*")] == [".parquet"]
    assert ids(tmp_path) == ["r1", "r2"]


def test_only_segments_of_dead_writers_are_closed(tmp_path: Path) -> None:
    # Given two writers at once, each in a thread of its own
    stores = [Store(tmp_path), Store(tmp_path)]

    def write(store: Store, name: str) -> None:
        for number in range(200):
            store.append([{"request_id": f"{name}{number:03}", "row": 0}])

    threads = [Thread(target=write, args=pair) for pair in zip(stores, "ab", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # When a third starts, then it touches neither
    third = Store(tmp_path)
    third.rotate_if_due()
    assert len(left(tmp_path, "*.jsonl")) == 2
    # And when one is dead, then the next closes that one
    release(stores[0])
    Store(tmp_path).rotate_if_due()
    assert [len(left(tmp_path, one)) for one in ("*.jsonl", "*.parquet")] == [1, 1]
    stores[1].append([record(1)])
    assert ids(tmp_path) == sorted([*(f"{n}{i:03}" for n in "ab" for i in range(200)), "r1"])


def test_one_store_takes_records_of_many_threads(tmp_path: Path) -> None:
    # Given eight threads and segments of few records, when they append at once
    store = Store(tmp_path, rotate_bytes=500)

    def write(name: int) -> None:
        for number in range(50):
            store.append([record(1000 * name + number), record(1000 * name + number, row=1)])

    threads = [Thread(target=write, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then every record is there once
    lines = [one for path in left(tmp_path, "*.jsonl") for one in lines_of(path)]
    assert len({(one["request_id"], one["row"]) for one in lines}) == len(lines) == 800


@pytest.mark.slow
def test_readers_see_each_record_once_whatever_the_writer_does(tmp_path: Path) -> None:
    # Given a writer whose segments are closed all the time
    store, confirmed, done = Store(tmp_path, rotate_bytes=300), list[str](), Event()

    def write() -> None:
        while not done.is_set():
            name = f"r{len(confirmed)}"
            store.append([{"request_id": name, "row": 0}])
            confirmed.append(name)
            if len(confirmed) % 20 == 0:
                store.rotate_if_due()

    writer = Thread(target=write)
    writer.start()
    # When somebody reads meanwhile
    try:
        for _ in range(10):
            before = set(confirmed)
            there = ids(tmp_path)
            # Then each record that was confirmed before is there, and none twice
            assert before <= set(there)
            assert len(there) == len(set(there))
    finally:
        done.set()
        writer.join()
    assert len(left(tmp_path, "*.parquet")) > 3


def test_a_torn_end_is_no_damage_but_an_unreadable_line_is_kept(tmp_path: Path) -> None:
    # Given segments of dead writers: one torn, one with a line that was changed, one empty
    day = tmp_path / "2026-06-30"
    day.mkdir()
    whole = '{"request_id":"a","row":0}\n'
    (day / "1.torn.jsonl").write_text(whole + '{"request_id":"b', encoding="utf-8")
    (day / "2.odd.jsonl").write_text("\0\0\0\n" + whole.replace("a", "c"), encoding="utf-8")
    (day / "3.empty.jsonl").write_text("", encoding="utf-8")
    # When the next process closes them, then whole records count
    Store(tmp_path).rotate_if_due()
    assert ids(tmp_path) == ["a", "c"]
    # And only what nobody can read stays beside them
    names = [path.name for path in left(tmp_path, "*")]
    assert names == ["1.torn.parquet", "2.odd.damaged", "2.odd.parquet"]


def test_a_segment_that_cannot_be_closed_stays_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a disk without space for the Parquet file
    store = Store(tmp_path, rotate_bytes=1)
    store.append([record(1)])

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(closed_files.os, "fsync", full)
    # When it is to be closed, then the reason is said, and nothing is lost
    with pytest.raises(Problem, match=r"cannot close .*: No space left on device"):
        store.rotate_if_due()
    assert ids(tmp_path) == ["r1"]
    # And neither is it where the process ends, and the next process closes it
    store.close()
    assert ids(tmp_path) == ["r1"]
    monkeypatch.undo()
    Store(tmp_path).rotate_if_due()
    assert [path.suffix for path in left(tmp_path, "*")] == [".parquet"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_sensitive_attributes_are_for_this_user_only(tmp_path: Path) -> None:
    # Given the store of sensitive attributes, when something is written
    folder = tmp_path / SENSITIVE
    Store(folder).append([{"request_id": "a", "row": 0, "sex": "f"}])
    # Then nobody else can enter its folder, nor read the file if it is moved
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(left(folder, "*.jsonl")[0].stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_writes_to_a_file_of_its_own(tmp_path: Path) -> None:
    # Given a store with an open segment, when a fork of the process appends, too
    store = Store(tmp_path)
    store.append([record(1)])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            store.append([record(2)])
            code = store.vanished
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.append([record(3)])
    # Then each process has its segment
    assert sorted(len(lines_of(path)) for path in left(tmp_path, "*.jsonl")) == [1, 2]
    assert ids(tmp_path) == ["r1", "r2", "r3"]


def test_with_sync_each_batch_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given calls of fsync that are counted
    calls: list[int] = []
    monkeypatch.setattr(segment.os, "fsync", calls.append)
    # When batches are appended with and without sync, then only the former wait for the disk
    for sync, wanted in ((False, 0), (True, 2)):
        store = Store(tmp_path / str(sync), sync=sync)
        store.append([record(1)])
        store.append([record(2)])
        assert len(calls) == wanted


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_twenty_killed_writers_lose_nothing_that_they_confirmed(tmp_path: Path) -> None:
    # Given writers that append from two threads and close segments in a third, each killed
    done = subprocess.run(
        [sys.executable, str(HELPERS / "killed_writers.py"), str(tmp_path), "20", "1"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    confirmed = done.stdout.split()
    assert len({one.partition("-")[0] for one in confirmed}) == 20
    # When the log is read, then every confirmed record is there once
    there = ids(tmp_path)
    assert set(confirmed) <= set(there)
    assert len(there) == len(set(there))
    # And so it is after the next process has closed what they left
    assert left(tmp_path, "*.jsonl")
    assert left(tmp_path, "*.parquet")
    Store(tmp_path).rotate_if_due()
    assert not left(tmp_path, "*.jsonl")
    assert ids(tmp_path) == there
