"""Find data, models and large files that belong in DVC, by their content instead of their name."""

from __future__ import annotations

from pathlib import Path

from governed_ml.checks.files.tabular import rows
from governed_ml.checks.files.texts import quoted, read, text
from governed_ml.checks.finding import CheckFinding
from governed_ml.core.problem import Problem

LARGEST = 500 * 1024  # most bytes of a file in git
LARGEST_WHEEL = 5 << 20  # most bytes of the engine's wheel
ROWS = 100  # fewest lines of the same form that count as a table,
MEASURED = 1000  # and in files of the pipeline: one line per column, bin, rule or point
WRITTEN = (
    *("reports/evidence/", "reports/plots/", "reports/metrics.json", "reports/decision.json"),
    *("reports/model_card.", "reports/data_card."),
)
LOCKS = {"uv.lock": (b"version = ", 5 << 20)}  # how the file begins, and its largest size
FOLDERS = ("data/", "models/")
KEPT = (".gitignore", ".gitkeep")
PICTURES = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"\x00\x00\x01\x00", b"%PDF-"),
    *(b"wOFF", b"wOF2"),
)
# Position and bytes of a file type's signature, and the type.
MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PAR1", "a Parquet table"),
    (0, b"PARE", "an encrypted Parquet table"),
    (0, b"ARROW1", "an Arrow table"),
    (0, b"\xff\xff\xff\xff", "an Arrow stream"),
    (0, b"FEA1", "a Feather table"),
    (0, b"ORC", "an ORC table"),
    (0, b"Obj\x01", "an Avro table"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (8, b"DUCK", "a DuckDB database"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"CDF", "a NetCDF file"),
    (0, b"MATLAB 5.0", "a MATLAB file"),
    (0, b"<stata_dta>", "a Stata table"),
    (0, b"$FL2", "an SPSS table"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"PK\x03\x04", "a zip archive (skops, npz, xlsx, torch)"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"\x80\x02", "a pickle"),
    (0, b"\x80\x03", "a pickle"),
    (0, b"\x80\x04", "a pickle"),
    (0, b"\x80\x05", "a pickle"),
    (0, b"\x78\x01", "zlib data (joblib)"),
    (0, b"\x78\x5e", "zlib data (joblib)"),
    (0, b"\x78\x9c", "zlib data (joblib)"),
    (0, b"\x78\xda", "zlib data (joblib)"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"BZh", "bzip2 data"),
    (0, b"\xfd7zXZ\x00", "xz data"),
    (0, b"\x28\xb5\x2f\xfd", "zstd data"),
    (0, b"\x04\x22\x4d\x18", "lz4 data"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"GGUF", "a GGUF model"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"CBM1", "a CatBoost model"),
    (8, b'{"', "a safetensors model"),
)
# Signatures that could begin a text file: the beginning of the file must match exactly.
WORDS: tuple[tuple[str, str], ...] = (
    ("tree\nversion=", "a LightGBM model"),
    ('{"learner":', "an XGBoost model"),
    ('{"version":[', "an XGBoost model"),
    ("<PMML", "a PMML model"),
)


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Find files that belong in DVC."""
    found = [(name, why) for name in names if (why := _why(base, name))]
    outputs = _outputs(base) if found else []
    return [CheckFinding(name, why, _mend(name, outputs)) for name, why in found]


def _why(base: Path, name: str) -> str | None:
    """Return why a file belongs in DVC, or None if it may be in git."""
    path = base / name
    own = path.name in KEPT or path.suffix == ".dvc"
    if path.suffix == ".whl" and name == _engine_wheel(base) and _is_zip(path):
        return None  # uv.lock has its digest, and the check `engine` compares it
    if name.startswith(FOLDERS) and not own:
        return f"{name.partition('/')[0]}/ belongs to DVC, and git must hold only its *.dvc files"
    start, largest = LOCKS.get(name, (b"", LARGEST))
    data = read(path, largest + 1)
    known = kind(data)
    if known:
        return f"it is {known}"
    if len(data) > largest:
        return (
            f"it has {path.stat().st_size:,} bytes, but git may hold at most {largest:,} of a file"
        )
    if name in LOCKS and data.startswith(start):
        return None
    written = text(data)
    if written is None:
        return None if data.startswith(PICTURES) or _webp(data) else "it is binary"
    table = rows(written, MEASURED if name.startswith(WRITTEN) else ROWS)
    return f"it holds a table: {table[0]:,} lines {table[1]}" if table else None


def _engine_wheel(base: Path) -> str | None:
    """Return the path of the wheel that the engine is installed from, or None."""
    import tomllib

    from governed_ml.core.installation.lockfile import METADATA
    from governed_ml.scaffold import pin

    try:
        source = pin.source((base / METADATA).read_text(encoding="utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError, Problem):
        return None
    return Path(source["path"]).as_posix() if source.get("path") else None


def _is_zip(path: Path) -> bool:
    import zipfile

    return path.stat().st_size <= LARGEST_WHEEL and zipfile.is_zipfile(path)


def kind(data: bytes) -> str | None:
    """Return which kind of table, model or archive a file is, by its content, or None."""
    if not data:
        return None
    written = text(data[:1024]) is not None
    for place, mark, name in MARKS:
        if data[place : place + len(mark)] == mark and not (written and _plain(mark)):
            return name
    if data[0] == 8 and data[1:2] < b"\x20" and data[2:3] in (b"\x12", b"\x1a", b":"):
        return "an ONNX model"
    if b"PK\x05\x06" in data[-1024:] and not written:
        return "a zip archive behind something else"
    if written:
        beginning = data[:64].decode("latin-1").lstrip("\ufeff \n")
        return next((name for word, name in WORDS if beginning.startswith(word)), _pickled(data))
    return None


def _plain(mark: bytes) -> bool:
    """Return whether a signature could begin a text; then it counts in binary files only."""
    return len(mark) < 8 and mark not in (b"PAR1", b"PARE", b"ARROW1") and mark.isascii()


def _pickled(data: bytes) -> str | None:
    """Return a description if the data are a pickle of protocol 0, which looks like text."""
    if data[:1] not in (b"(", b"c", b"]", b"}") or not data.endswith(b"."):
        return None
    import pickletools

    try:
        *_, last = pickletools.genops(data)
    except (ValueError, IndexError, UnicodeError):
        return None
    return "a pickle" if last[0].name == "STOP" and last[2] == len(data) - 1 else None


def _webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _mend(name: str, outputs: list[str]) -> str:
    """Return the commands that fix it; outputs of stages are already tracked by DVC."""
    take = f"run `git rm --cached {quoted(name)}`"
    if any(name == one or name.startswith(f"{one}/") for one in outputs):
        return f"{take} (it is a stage's output: `dvc repro` keeps it)"
    return f"{take}, then `uv run dvc add {quoted(name)}`"


def _outputs(base: Path) -> list[str]:
    """Return the outputs of all stages.

    Return nothing if `dvc.yaml` is unreadable; the check `lineage` reports that.
    """
    from governed_ml.core.config.dvc_files import declared

    try:
        return [path for stage in declared(base).values() for path in stage.plain_outs]
    except Problem:
        return []
