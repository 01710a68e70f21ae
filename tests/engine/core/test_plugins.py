"""No plugin of a library is loaded where the engine runs: nothing but what it imports itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMMAND = """\
import sys
sys.path.append(sys.argv[1])
sys.argv = ["governance", "check", "config"]
from governed_ml.__main__ import main
main()
"""


def test_trap_43_plugins_of_pydantic_and_hydra_are_not_loaded(tmp_path: Path) -> None:
    # Given a package that brings a plugin for each, in an environment that judges
    site, project, mark = tmp_path / "site", tmp_path / "project", tmp_path / "loaded"
    left = f"open({str(mark)!r}, 'a').write(__name__)\n"
    for name in ("hydra_plugins/extra.py", "extra_plugin.py"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(left + "plugin = None\n", encoding="utf-8")
    info = site / "extra-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: extra\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[pydantic]\nextra = extra_plugin:plugin\n", "utf-8")
    (project / "conf").mkdir(parents=True)
    (project / "conf/config.yaml").write_text("seed: 1\n", encoding="utf-8")
    (project / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", str(project)], check=True)
    # When a command composes the configuration and validates it
    done = subprocess.run(
        [sys.executable, "-P", "-c", COMMAND, str(site)],
        cwd=project,
        capture_output=True,
        text=True,
    )
    # Then it got as far as that, and neither was loaded
    assert "conf/config.yaml chooses no data" in done.stdout + done.stderr
    assert not mark.exists(), mark.read_text(encoding="utf-8")
