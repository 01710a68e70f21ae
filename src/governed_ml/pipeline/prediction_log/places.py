"""The folders of the log: predictions, the sensitive attributes of their rows, and labels."""

from __future__ import annotations

from pathlib import Path

PREDICTIONS = Path("data/prediction_log")  # inputs and outputs, but no sensitive attribute
SENSITIVE = Path("data/sensitive_log")  # request_id, row and the sensitive attributes
TRUTH = Path("data/ground_truth")  # request_id, row, label, received_at
CHAMPION = "champion"  # the arm that monitoring measures; others are a canary and a shadow
IGNORED = "# Made by governance: rows of production stay out of git.\n*\n"
LINES, CLOSED = ".jsonl", ".parquet"  # a segment, and the closed file that it becomes


def file_mode(folder: Path) -> int:
    """Return the mode of a folder's files: those of the sensitive attributes are private."""
    return 0o600 if folder.name == SENSITIVE.name else 0o644


def make(folder: Path, day: str) -> Path:
    """Make the folder of a day in a folder of the log; that of sensitive attributes is private."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700 if file_mode(folder) == 0o600 else 0o777, exist_ok=True)
        (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    dated = folder / day
    dated.mkdir(exist_ok=True)
    return dated
