"""Finish the project: `.cruft.json`, a repository of its own, the first commit, what to do next."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

sys.stdout.reconfigure(errors="backslashreplace")  # a name that a console lacks loses no project
ANSWERS = json.loads(r'''{{ cookiecutter | tojson }}''')  # fmt: skip
ENGINE = "governed-ml"
ORDER = json.loads(r'''{{ cookiecutter | list | tojson }}''')  # fmt: skip

# What a surrounding repository or the user's settings could change about the first commit.
FOREIGN = re.compile(r"GIT_(?!EXEC_PATH|CONFIG|SSL|TRACE)")
SETTINGS = {
    "user.name": ANSWERS["author_name"],
    "user.email": ANSWERS["author_email"],
    "commit.gpgsign": "false",
    "core.hooksPath": os.devnull,
    "core.excludesFile": os.devnull,
    "core.attributesFile": os.devnull,
    "core.autocrlf": "false",
    "core.safecrlf": "false",
}


def git(*arguments, folder="."):
    """Run git in a folder without the caller's repository, and return what it printed."""
    env = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = ["git", *settings, *arguments]
    result = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8"
    )
    if result.returncode:
        raise RuntimeError(f"git {arguments[0]} failed: {' '.join(result.stderr.split())}")
    return result.stdout.strip()


def template_folder():
    """The template on this disk, or None; a relative path counts from cookiecutter's start."""
    given = ANSWERS.get("_repo_dir", "")
    starts = (os.environ.get("PWD", ""), ANSWERS.get("_output_dir", ""), "..")
    folders = [Path(start, given) for start in starts] if given else []
    return next(
        (folder.resolve() for folder in folders if (folder / "cookiecutter.json").is_file()), None
    )


def origin():
    """Template address, commit and folder inside the repository, as cruft keeps them."""
    address, commit = ANSWERS["_template"], ANSWERS.get("_commit")
    if commit:  # cruft runs this hook, and knows
        return address, commit, None
    local = ANSWERS["_repo_dir"].startswith(address)
    folder = template_folder()
    try:
        if folder is None:
            raise RuntimeError("its folder was not found")
        git("ls-files", "--error-unmatch", "cookiecutter.json", folder=folder)
        commit = git("rev-parse", "HEAD", folder=folder)
        directory = git("rev-parse", "--show-prefix", folder=folder).strip("/") or None
        where = ("rev-parse", "--show-toplevel") if local else ("remote", "get-url", "origin")
        address = git(*where, folder=folder)
    except RuntimeError as error:
        print(
            f"note: the template's commit is unknown ({error}), so `cruft update` cannot work here"
        )
        return address, None, None
    if local and git("status", "--porcelain", folder=folder):
        print(
            "note: the template has uncommitted changes, which are not in the commit that "
            ".cruft.json names"
        )
    return re.sub(r"^(https?://)[^/@]*@", r"\1", address), commit, directory


def engine(address, commit, directory):
    """The line that pins the engine, as `[tool.uv.sources]` has it, and a comment for it.

    By default it is this very commit of the template. A template with uncommitted changes, one
    that git does not know, or one whose folder git refuses (another owner) is used by its path.
    """
    if ANSWERS["__engine_index"]:
        return table(index=ENGINE)
    folder = template_folder()
    try:
        changed = folder is not None and git("status", "--porcelain", folder=folder)
    except RuntimeError as error:
        changed = str(error)
    if commit and not directory and not changed:
        local = Path(address).is_dir()
        tag = tag_of(folder, commit)
        where = Path(address).resolve().as_uri() if local else address
        return table(git=where, rev=commit) + (f" # {tag}" if tag else "")
    if folder is None:
        raise RuntimeError("the template's folder was not found, and its commit is unknown")
    if ANSWERS["_template"].lower().endswith(".zip"):
        raise RuntimeError(
            "cookiecutter deletes the unpacked archive at the end, and the engine with it: "
            "unpack it yourself into a folder that stays, and generate from that folder"
        )
    print(
        f"note: the engine is used from {folder}, without a pin, so this project cannot register "
        "models"
    )
    return table(path=folder.as_posix())


def tag_of(folder, commit):
    """The template's tag of a commit, or nothing."""
    try:
        return git("describe", "--tags", "--exact-match", commit, folder=folder)
    except (OSError, RuntimeError):
        return ""


def table(**values):
    """An inline table of TOML; doubled braces would be Jinja here."""
    return (
        "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in values.items()) + " }"
    )


def write_engine(source):
    """Pin the engine in `pyproject.toml`, and name the index if it comes from one."""
    path = Path("pyproject.toml")
    text = path.read_text(encoding="utf-8")
    line = re.compile(rf"^{ENGINE} = .*$", re.MULTILINE)
    text = line.sub(lambda _: f"{ENGINE} = {source}", text)
    url = ANSWERS["__engine_index"]
    if url:
        block = ("[[tool.uv.index]]", f'name = "{ENGINE}"', f"url = {json.dumps(url)}")
        block = "\n".join((*block, "explicit = true\n\n[tool.uv.sources]"))
        text = text.replace("[tool.uv.sources]", block)
    path.write_text(text, encoding="utf-8")


def write_cruft(address, commit, directory):
    """Write `.cruft.json` as `cruft create` would, without this machine's folders."""
    context = {
        name: ANSWERS[name]
        for name in ORDER
        if name not in ("_output_dir", "_repo_dir", "_checkout", "_commit")
    }
    context |= {"_template": address, "_commit": commit}
    state = {
        "template": address,
        "commit": commit,
        "checkout": ANSWERS.get("_checkout"),
        "context": {"cookiecutter": context},
        "directory": directory,
    }
    text = json.dumps(state, ensure_ascii=False, indent=2, separators=(",", ": "))
    Path(".cruft.json").write_text(text + "\n", encoding="utf-8")


def first_commit():
    """Make the project a git repository of its own, with everything in its first commit."""
    git("init", "--quiet", "--template=")
    git("symbolic-ref", "HEAD", "refs/heads/main")
    git("add", "--all")
    git("commit", "--quiet", "--message", f"Start {ANSWERS['project_name']} from its template")
    git("clean", "-dfX", "--quiet")  # caches that lay in a template which somebody works on


def next_steps():
    """The three commands that come next; the first makes the environment and installs the hooks."""
    sys.stdout.reconfigure(errors="backslashreplace")
    print(f"\n{ANSWERS['project_name']} is in {Path().resolve()}. Next, in that folder:\n")
    print("    uv run pre-commit install    # makes the environment, installs the git hooks")
    print("    uv run dvc repro             # runs the pipeline, from data to a decision")
    print("    uv run governance gate       # judges the evidence again, outside DVC\n")


try:
    known = origin()
    if os.environ.get("GOVERNED_ML_PIN") != "keep":  # `governance update` moves the pin itself
        write_engine(engine(*known))
    write_cruft(*known)
    first_commit()
except (OSError, RuntimeError) as error:
    sys.exit(f"the project was not finished: {error}")
next_steps()
