"""Pack a version of a project into `tests/compat/RELEASE.zip`: what a registry and a ledger hold.

    python tests/compat/seal.py PROJECT VERSION RELEASE

The project keeps its MLflow store in its own folder. A release is packed once, when it is made, and
never again: later engines have to read what it wrote then.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
APPROVERS = "governance/approvers.yaml"
MOMENT = (2026, 1, 1, 0, 0, 0)  # of each file in the archive


def main(project: Path, version: int, release: str) -> None:
    """Write the archive: `event.json`, `approvers.yaml`, `bundle/…`, `signature/…`."""
    command = ["git", "log", "--reverse", "-z", "--format=%B", "governance-ledger"]
    said = subprocess.run(command, cwd=project, capture_output=True, check=True).stdout.decode()
    events = [json.loads(one) for one in said.split("\0") if one.strip()]
    event = next(one for one in events if one["version"] == version)
    artifacts = project / "mlruns" / event["details"]["run_id"] / "artifacts"
    files = {"approvers.yaml": (project / APPROVERS).read_bytes()}
    files["event.json"] = json.dumps(event, sort_keys=True, separators=(",", ":")).encode()
    for folder in ("bundle", "signature"):
        for path in sorted((artifacts / folder).rglob("*")):
            if path.is_file():
                files[path.relative_to(artifacts).as_posix()] = path.read_bytes()
    with zipfile.ZipFile(HERE / f"{release}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, MOMENT)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), sys.argv[3])
