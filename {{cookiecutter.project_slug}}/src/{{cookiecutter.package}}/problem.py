"""The one way to fail: a line that says what is wrong, where, and what to do next."""

from __future__ import annotations


class Problem(Exception):
    """An error for people. `exit_code` 1: found something; 2: could not judge or used wrongly."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(" ".join(message.split()))
        self.exit_code = exit_code


def cause(error: BaseException) -> str:
    """Return what went wrong; of the operating system's errors, without the path it repeats."""
    return getattr(error, "strerror", None) or first_line(error)


def first_line(error: BaseException, limit: int = 300) -> str:
    """Return the message of a foreign exception as one line of at most `limit` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
