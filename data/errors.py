"""Errors that a user can mend: shown as one line, without a traceback."""


def few(names: list[str]) -> str:
    """The first five names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


class UserError(Exception):
    """What is wrong with `subject` (a file, a flag) and how to mend it."""

    def __init__(self, subject, problem: str, mend: str):
        self.subject, self.problem, self.mend = str(subject), problem, mend
        super().__init__(" ".join(f"{subject}: {problem}; {mend}".splitlines()))

    def __reduce__(self):  # as it comes back from another process
        return UserError, (self.subject, self.problem, self.mend)
