"""What only people know: target, task, sensitive attributes, risk tier."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core.files import parse_yaml
from governed_ml.core.problem import Problem
from governed_ml.init_data import roles
from governed_ml.init_data.answers import Draft, Question
from governed_ml.init_data.profile import Profile
from governed_ml.init_data.questions import Prompt, asked, chosen
from governed_ml.pipeline.data.reading.answers import SourceQuestion

if TYPE_CHECKING:
    import duckdb

TASKS = ("classification", "regression")


@dataclass(frozen=True)
class Wishes:
    """What was given on the command line."""

    target: str | None = None
    positive: str | None = None
    task: str | None = None
    sensitive: tuple[str, ...] = ()
    no_sensitive_reason: str | None = None
    tier: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def require_known(wishes: Wishes, policies: Path) -> None:
    """Raise `Problem` for a task or a tier that does not exist, before the table is read."""
    tiers = sorted(path.stem for path in policies.glob("*.yaml") if path.stem != "base")
    for option, value, known in (("task", wishes.task, TASKS), ("tier", wishes.tier, tiers)):
        if value is not None and value not in known:
            raise Problem(f"--{option} {value!r} does not exist: choose {' or '.join(known)}")


def target(
    wishes: Wishes, before: str | None, found: dict[str, Profile], ask: Prompt | None
) -> str:
    """Return the target: given, written earlier, or asked."""
    likely = roles.likely_targets(found)
    name = wishes.target or before
    if name is None and ask is not None:
        words = "Which column does the model predict (target)?"
        name = asked(ask, words, likely[0], lambda said: require_column(said, found, "target"))
    if name is None:
        listed = ", ".join(repr(one) for one in likely[:5])
        raise Problem(f"the target is not known: add --target COLUMN, for example one of {listed}")
    return require_column(name, found, "target")


def require_column(name: str, found: dict[str, Profile], role: str) -> str:
    """Return the name; raise `Problem` if the table lacks it, naming the most similar column."""
    import difflib

    if name not in found:
        near = difflib.get_close_matches(name, [*found], n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join([*found][:8])}"
        if sum(one.lstrip("-+").replace(".", "", 1).isdigit() for one in found) * 2 >= len(found):
            hint += (
                ", so line 1 seems to have values and not names: write a line with names above it"
            )
        raise Problem(f"{role}: the table has no column {name!r}{hint}")
    return name


def task(
    wishes: Wishes,
    draft: Draft,
    db: duckdb.DuckDBPyConnection,
    one: Profile,
    ask: Prompt | None,
) -> tuple[str, str]:
    """Return the task and the reason."""
    if wishes.task:
        return wishes.task, "as --task says"
    if (before := draft.keys.get("task")) is not None:
        return str(before), "as conf/data or --set says"
    found, why = roles.task_of(db, one, one.column.name)
    if wishes.positive is not None and found != "classification":
        return "classification", f"{one.distinct:,} classes, of which --positive names one"
    if "classes" in draft.keys:
        return "classification", f"{one.distinct:,} different values, which are classes"
    if found is None and ask is not None:
        words = f"{why}: classification or regression?"
        return asked(ask, words, None, lambda said: _one_of(TASKS, said)), "as answered"
    if found is None:
        raise Problem(
            f"target {one.column.name!r} has {why}: add --task classification or --task regression"
        )
    return found, why


def _one_of(known: tuple[str, ...], said: str) -> str:
    if said not in known:
        raise Problem(f"{said!r} is none of the answers: {' or '.join(known)}")
    return said


def sensitive(wishes: Wishes, draft: Draft, found: dict[str, Profile], ask: Prompt | None) -> None:
    """Find the sensitive attributes, or the reason why there are none."""
    if draft.keys.get("sensitive") or draft.keys.get("no_sensitive_reason"):
        return
    for name in wishes.sensitive:
        require_column(name, found, "sensitive")
    if wishes.no_sensitive_reason and not wishes.sensitive:
        draft.keys["no_sensitive_reason"] = wishes.no_sensitive_reason
        return
    proposed = roles.sensitive_candidates(draft, found, draft.keys["target"])
    names = list(wishes.sensitive) or proposed
    if ask is not None and not wishes.sensitive:
        names = asked(
            ask,
            "Which columns are sensitive attributes of persons (names with commas, or none)?",
            ", ".join(proposed) or "none",
            lambda said: _columns(said, found),
        )
        if not names:
            draft.keys["no_sensitive_reason"] = ask(
                "Why is there none? The risk owner reads this reason.", None
            )
            return
    if not names:
        raise Problem(
            "no column looks like a sensitive attribute: name them with --sensitive COLUMN, or say "
            "why there is none with --no-sensitive-reason TEXT"
        )
    roles.as_sensitive(draft, found, names)


def _columns(said: str, found: dict[str, Profile]) -> list[str]:
    """Return the columns in an answer; a name may have a comma itself."""
    if said.strip() == "none":
        return []
    names = [said] if said in found else [one.strip() for one in said.split(",")]
    return [require_column(name, found, "sensitive") for name in names]


def settle_source(draft: Draft, question: SourceQuestion, ask: Prompt | None) -> None:
    """Ask about a source as a whole; raise `Problem` with the options if nobody can be asked."""
    if ask is None or not question.choices:
        options = [f"--set 'source: {{{question.key}: {one}}}'" for one, _ in question.choices]
        raise Problem(f"{question.short}; add {' or '.join(options)}") from question
    shown = [f"{one}: {example}" if example else one for one, example in question.choices]
    words = f"{question.short}. What is the {question.key}?"
    draft.keys["source"][question.key] = parse_yaml(question.choices[chosen(ask, words, shown)][0])


def settle(draft: Draft, questions: list[Question], ask: Prompt | None) -> bool:
    """Ask the questions that have answers to choose from; return whether any was answered."""
    if ask is None:
        return False
    done = False
    for one in questions:
        if not one.options:
            continue
        words = f"Column {one.column!r} {one.words.partition(': ')[0]}."
        answer = chosen(ask, words, [text for _, text in one.options])
        draft.add(one.column, one.options[answer][0])
        draft.note(one.column, "as answered")
        done = True
    return done


def settings(texts: list[str]) -> dict[str, Any]:
    """Return what `--set` gives, as keys of `conf/data`."""
    import yaml

    found: dict[str, Any] = {}
    for text in texts:
        try:
            value: Any = parse_yaml(text)
        except yaml.YAMLError:
            value = None
        if not isinstance(value, dict):
            raise Problem(f"--set {text!r} is no key with a value: write it as 'key: value'")
        given: dict[str, Any] = value
        for key, one in given.items():
            mine: Any = found.get(key)
            both = isinstance(mine, dict) and isinstance(one, dict)
            found[key] = {**mine, **one} if both else one
    return found
