"""Sign a model's folder and verify it with OpenSSF model signing: all its files, and no others.

By default the library ignores git's files; here it includes them.
"""

from __future__ import annotations

import os
import re
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core.files import shown, write_bytes
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import git
from governed_ml.ledger.approvers import Approvers

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

VARIABLE = "GOVERNANCE_MODEL_KEY"


def private_key(base: Path) -> Path:
    """Return the private key's path, which a variable names; it must be outside the repository."""
    given = os.environ.get(VARIABLE)
    if not given:
        raise Problem(
            f"the environment variable {VARIABLE} is not set, so there is no key to sign the model "
            "with: make one with `uv run governance keygen PATH`, and set the variable to its path"
        )
    path = Path(given).expanduser().resolve()
    _require_outside(path, base)
    if not path.is_file():
        raise Problem(f"{VARIABLE} names {path}, which does not exist: set it to the key's path")
    return path


def _require_outside(path: Path, base: Path) -> None:
    common = git(base, "rev-parse", "--path-format=absolute", "--git-common-dir")
    if any(path.is_relative_to(one) for one in (base.resolve(), Path(common).resolve().parent)):
        raise Problem(
            f"{shown(path)} is a private key in the repository: move it out of the repository"
        )


def generate(path: Path, base: Path) -> str:
    """Write a new private key (P-256, PEM) that only its owner can read; return the public key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    path = path.expanduser().resolve()
    _require_outside(path, base)
    if path.exists():
        raise Problem(f"{path} exists already: name another file")
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_bytes(path, pem, mode=0o600)
    return public_of(path)


def public_of(path: Path) -> str:
    """Return the public key of a private key, as PEM."""
    from cryptography.hazmat.primitives import serialization

    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return _load(path).public_key().public_bytes(encoding, form).decode()


def _load(path: Path) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Problem(
            f"{path} is not a private key in PEM format, or it has a password "
            f"({first_line(error)}): make one with `uv run governance keygen`"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Problem(
            f"{path} is not an elliptic curve key: make one with `uv run governance keygen`"
        )
    return key


def require_listed(key: Path, approvers: Approvers) -> None:
    """Raise `Problem` if the approvers file does not list the key, so its signatures would fail."""
    own = "".join(public_of(key).split())
    today = datetime.now(UTC).date()
    if not any(one.bare == own and one.counts(today) for one in approvers.model_keys):
        raise Problem(
            "the signing key is not listed under model_keys in governance/approvers.yaml on the "
            "protected branch, or is not valid today: ask the risk owner to add it there"
        )


def sign(folder: Path, signature: Path, key: Path) -> None:
    """Sign all files of a folder. The signature file must be outside the folder."""
    from model_signing import signing

    config = signing.Config().use_elliptic_key_signer(private_key=key)
    config.set_hashing_config(_everything()).sign(folder, signature)


def verify(folder: Path, signature: Path, approvers: Approvers, day: date) -> None:
    """Raise `Problem` unless a key that was valid on `day` signed exactly the folder's files."""
    from model_signing import verifying

    if not signature.is_file():
        raise Problem("the model is not signed", 1)
    keys = [one for one in approvers.model_keys if one.counts(day)]
    if not keys:
        raise Problem(
            "governance/approvers.yaml lists no valid key under model_keys: ask the risk owner "
            "to add one",
            1,
        )
    said = ""
    for one in keys:
        with tempfile.TemporaryDirectory() as scratch:
            pem = Path(scratch) / "public.pem"
            pem.write_text(one.key, encoding="utf-8")
            try:
                config = verifying.Config().use_elliptic_key_verifier(public_key=pem)
                config.set_hashing_config(_everything()).verify(folder, signature)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, this key does not vouch
                said = _in_words(str(error))
    raise Problem(
        f"the model's signature is invalid: {said}; restore the files in MLflow from a backup, or "
        "register the model again",
        1,
    )


def _in_words(said: str) -> str:
    """Return the library's error with the names of the files at fault, instead of their digests."""
    said = said.replace("\\'", "'")
    changed = re.findall(r"Hash mismatch for '([^']+)'", said)
    added = re.findall(r"Extra files found in model '[^']*': ([^\"']+)", said)
    removed = re.findall(r"Missing files in model '[^']*': ([^\"']+)", said)
    parts = {"changed": changed, "added": added, "missing": removed}
    words = [f"{', '.join(names)} {what}" for what, names in parts.items() if names]
    return "; ".join(words) or first_line(ValueError(said), 160)


def _everything() -> Any:
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)
