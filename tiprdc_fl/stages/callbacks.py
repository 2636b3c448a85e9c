"""What a caller hands to ``run``: callbacks that follow it."""

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


class Callback:
    """Follows a run; a subclass overrides what it needs. An exception raised in a method ends the run."""

    def on_stage_start(self, name: str) -> None:
        """A stage begins: "prepare", "train", "collect", "evaluate" or "report"."""

    def on_stage_end(self, name: str, value: Any) -> None:
        """A stage has ended and hands on ``value``; not called for a stage that raises an exception."""

    def on_epoch_end(self, figures: dict[str, Any]) -> None:
        """An epoch of training has ended; ``figures`` has the fields of ``report.schema.Epoch``.

        Not called where the extractor is given, in the run folder or in the library already.
        """

    def on_answer(self, contributors: int, examples: int) -> None:
        """A message was answered: by so many contributors, with so many examples stored.

        Not called for contributors whose features an earlier session has stored.
        """


def follow_stage(
    callbacks: Sequence[Callback],
    name: str,
    work: Callable[Arguments, Value],
    *arguments: Arguments.args,
    **keywords: Arguments.kwargs,
) -> Value:
    """Does a stage's work between its two callbacks, and returns its value."""
    for callback in callbacks:
        callback.on_stage_start(name)
    value = work(*arguments, **keywords)
    for callback in callbacks:
        callback.on_stage_end(name, value)
    return value
