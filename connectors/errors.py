"""What can go wrong, grouped by what the runner does next; `hub.errors` carries the same groups on.

- `StopError`: a person must act: configuration, rights, a broken promise of ours.
- `RetryError`: the same call may succeed later: a server that is away, a lock, a time-out.
- `SetAsideError`: one delivery or row is unusable: keep it apart, name its department, go on.
"""

from __future__ import annotations

__all__ = ["ChangedError", "ColumnsMissingError", "RetryError", "SetAsideError", "StopError"]


class _WhereWhatAllowedDo(Exception):
    """An error whose message always says where, what came, what is allowed and what to do.

    Args:
        where: The file, dataset or setting the error is about.
        came: What was met, never a value that names a person or a secret.
        allowed: What would have been right.
        do: What the reader should do next.
    """

    def __init__(self, where: str, came: str, allowed: str, do: str) -> None:
        self.where, self.came, self.allowed, self.do = where, came, allowed, do
        super().__init__(f"{where}: {came}. Allowed: {allowed}. Do: {do}.")

    def __reduce__(self) -> tuple[type[_WhereWhatAllowedDo], tuple[str, str, str, str]]:
        """Survive pickling between processes: the four parts are the state."""
        return type(self), (self.where, self.came, self.allowed, self.do)


class StopError(_WhereWhatAllowedDo):
    """Repeating changes nothing; a person must act first."""


class RetryError(_WhereWhatAllowedDo):
    """The same call may succeed later, unchanged."""


class ChangedError(RetryError):
    """The source changed while it was read: the chunks already read no longer fit, the offer begins anew."""


class SetAsideError(_WhereWhatAllowedDo):
    """One delivery cannot be used as it is; it is kept apart with this reason and the run goes on.

    Args:
        reason: A short fixed code, counted in `docs/reason-codes.md`.
    """

    def __init__(self, where: str, came: str, allowed: str, do: str, reason: str = "delivery_unusable") -> None:
        super().__init__(where, came, allowed, do)
        self.reason = reason

    def __reduce__(self) -> tuple[type[SetAsideError], tuple[str, str, str, str, str]]:  # type: ignore[override]
        return type(self), (self.where, self.came, self.allowed, self.do, self.reason)


class ColumnsMissingError(SetAsideError):
    """One delivery lacks agreed columns: `schema_drift`.

    Args:
        columns: What they are called in the contract.
    """

    def __init__(self, where: str, came: str, allowed: str, do: str, columns: tuple[str, ...]) -> None:
        super().__init__(where, came, allowed, do, "schema_drift")
        self.columns = columns

    def __reduce__(self) -> tuple[type[ColumnsMissingError], tuple[str, str, str, str, tuple[str, ...]]]:  # type: ignore[override]
        return type(self), (self.where, self.came, self.allowed, self.do, self.columns)
