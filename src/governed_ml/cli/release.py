"""Commands that read versions, and the one that makes a signing key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from governed_ml.cli.registry import Json, Version, door, tell
from governed_ml.core.files import root
from governed_ml.core.problem import FOUND
from governed_ml.core.terminal import say
from governed_ml.github.workflow_run import workflow_output


def rejudge(
    version: Version = None,
    commit: Annotated[
        str | None, typer.Option(help="Refuse a version of any other commit.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure and judge a registered version again.

    It measures on the version's own commit and judges under today's policy. It records nothing.

    \b
    Examples:
      uv run governance rejudge 3
    """
    from governed_ml.core.installation import trusted

    trusted.require("measuring")  # before a library is imported

    from governed_ml.policy.decision_screen import show
    from governed_ml.registry.rejudge import rejudge as rejudged

    base, registry = door()
    found, decision = rejudged(base, registry, version, commit, say)
    subject = found.subject
    values = {"version": found.number, "commit": subject["commit"], "model": subject["model"]}
    values |= {"verdict": decision.verdict}
    for name, value in values.items():
        workflow_output.output(name, str(value))
    rules = [
        (workflow_output.LABELS[one.verdict], one.id, one.reason) for one in decision.by_weight()
    ]
    workflow_output.summary(f"## Version {found.number} of {registry.name}: {decision.verdict}\n")
    workflow_output.summary(workflow_output.table(("what", "digest"), subject.items()))
    workflow_output.summary(workflow_output.table(("verdict", "rule", "reason"), rules))
    if not as_json:
        with workflow_output.text():
            show(decision)
    line = f"version {found.number} was measured again as it was sealed; today's verdict: "
    tell(as_json, line + decision.verdict, **values)
    raise typer.Exit(0 if decision.verdict == "allow" else FOUND)


def sbom(
    version: Version = None,
    output: Annotated[
        Path, typer.Option(help="A folder for the model and the list of its parts.")
    ] = Path("reports/sbom"),
    as_json: Json = False,
) -> None:
    """List the parts of a version as a CycloneDX SBOM.

    It writes the list beside the model and to the registry.

    \b
    Examples:
      uv run governance sbom 3 --output sbom
    """
    from governed_ml.registry.release.sbom import sbom as listed

    output = output.absolute()
    base, registry = door()
    number, bill = listed(base, registry, version, output)
    parts = len(bill["components"])
    line = f"version {number} consists of {parts} parts: {output / 'sbom.json'}"
    tell(as_json, line, version=number, components=parts)


def keygen(
    path: Annotated[Path, typer.Argument(help="File for the private key, outside this project.")],
) -> None:
    """Make a key that signs models.

    The risk owner lists its public half in governance/approvers.yaml.

    \b
    Examples:
      uv run governance keygen ~/keys/model.pem
    """
    from governed_ml.registry.release.signing import VARIABLE, generate

    public = generate(path, root())
    lines = "\n".join(f"      {line}" for line in public.strip().splitlines())
    print(f"wrote {path}: set {VARIABLE} to it, and never commit it. For the risk owner, into")
    print(f"governance/approvers.yaml under model_keys:\n\n  - key: |\n{lines}")


def status(
    champion: Annotated[
        int | None, typer.Option(help="Only check whether this version is the champion.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show every version and where the registry differs.

    Exit codes: 0 registry and ledger agree, 1 they differ. With --champion: 0 yes, 1 no.

    \b
    Examples:
      uv run governance status
      uv run governance status --champion 3
    """
    if champion is None:
        _reconcile(as_json, apply=False, every=True)
    else:
        from governed_ml.registry.rollback import require_champion

        require_champion(*door(), champion)
        tell(as_json, f"version {champion} is champion", champion=champion)


def reconcile(
    apply: Annotated[
        bool, typer.Option("--apply", help="Change the registry to match the ledger.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare the registry with the ledger.

    With --apply, it changes the registry to match the ledger.

    \b
    Examples:
      uv run governance reconcile            # only shows the differences
      uv run governance reconcile --apply
    """
    _reconcile(as_json, apply=apply, every=False)


def _reconcile(as_json: bool, *, apply: bool, every: bool) -> None:
    from governed_ml.registry import reconcile as reconciling
    from governed_ml.registry.repair import repair

    base, registry = door()
    report = reconciling.compare(base, registry)
    fixed: list[str] = []
    if apply and report.differences:
        fixed = repair(base, registry, report)
        report = reconciling.compare(base, registry)
    if as_json:
        print(json.dumps(report.model_dump(mode="json") | {"fixed": fixed}, sort_keys=True))
    else:
        reconciling.show(report, fixed, every=every)
    raise typer.Exit(FOUND if report.differences else 0)


def add(app: typer.Typer) -> None:
    """Add these commands to an application."""
    for command in (rejudge, sbom, keygen, status, reconcile):
        app.command()(command)
