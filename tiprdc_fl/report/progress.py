"""Progress of a stage: a bar with rate and remaining time on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import ProgressColumn
from rich.text import Text

PLAIN_SECONDS = 10.0  # between two lines of a stage where there is no terminal


class _Rate(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        """The rate, empty while it is not known."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "")


@contextmanager
def stage(console: Console, name: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Shows a stage while its block runs.

    Args:
        console: where to.
        name: of the stage.
        total: how many units it will do.
        unit: such as "examples".

    Yields:
        A function that is called with the number of units just done.
    """
    with (_bar if console.is_terminal else _lines)(console, name, total, unit) as advance:
        yield advance


@contextmanager
def _bar(console: Console, name: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task(name, total=total, unit=unit)
        yield lambda done: progress.advance(task, done)
        progress.update(task, completed=total)


@contextmanager
def _lines(console: Console, name: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    start = last = perf_counter()
    seen = 0

    def advance(done: int) -> None:
        nonlocal seen, last
        seen += done
        now = perf_counter()
        if now - last >= PLAIN_SECONDS:
            last, rate = now, seen / (now - start)
            left = (total - seen) / rate if rate else 0
            console.print(f"{name}: {seen:,}/{total:,} {unit}, {rate:,.0f}/s, {left:.0f} s left", highlight=False)

    yield advance
    seconds = perf_counter() - start
    console.print(f"{name}: done, {seen:,} {unit} in {seconds:.1f} s", highlight=False)
