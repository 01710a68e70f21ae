"""Check the classes that `conf/data` lists for a target with three or more values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from governed_ml.core.config.closed_model import Scalar, as_code

ARROW = " → "
"""Between the true and the predicted class in the names of outcomes."""
FEWEST, MOST = 3, 50


def place_of(value: str, classes: list[Scalar]) -> int | None:
    """Return the position of the class that a value of the target, as text, belongs to.

    A class that is true or false takes any spelling: tables contain TRUE, True or true.
    """
    for place, one in enumerate(classes):
        text = value.lower() if isinstance(one, bool) else value
        if text == as_code(one):
            return place
    return None


def names_of(places: Iterable[float], names: Sequence[str]) -> list[str]:
    """Return the name of the class at each position."""
    return [names[int(place)] for place in places]


def require_classes(classes: list[Scalar], task: str, others: Mapping[str, Scalar]) -> None:
    """Raise `ValueError` if the classes are too few, too many, not distinct, or contradict a key.

    `others` are the keys that only a target with one favourable value has, and their values.
    """
    if task != "classification":
        raise ValueError(f"classes needs a classification, but task is {task}: remove classes")
    given = next((key for key, value in others.items() if value is not None), None)
    if given is not None:
        raise ValueError(
            f"{given} and classes are both set: keep classes to predict each of them, or positive "
            "to predict one value against the others"
        )
    if len(classes) < FEWEST:
        raise ValueError(
            f"classes lists {len(classes)} of at least {FEWEST} values: list all values of the "
            "target, or, if it has two, name the favourable one as positive"
        )
    if len(classes) > MOST:
        raise ValueError(
            f"classes lists {len(classes)} values, and at most {MOST} are allowed: merge rare "
            "ones with spellings"
        )
    names = [as_code(one) for one in classes]
    if None in classes or "" in names:
        raise ValueError("classes holds an empty value: name a value of the target")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"classes lists {twice!r} twice: remove one")
    arrow = next((name for name in names if ARROW.strip() in name), None)
    if arrow is not None:
        raise ValueError(
            f"class {arrow!r} has an arrow in its name, and outcomes are named `true → "
            "predicted`: give it another name with spellings"
        )
