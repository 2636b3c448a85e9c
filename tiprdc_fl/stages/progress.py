"""Progress of a stage: a bar with rate and remaining time on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

PLAIN_SECONDS = 10.0  # between two lines of a stage where there is no terminal


class _Pace(ProgressColumn):
    """Units a second and the time left; the time it took when it is done."""

    def __init__(self):
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """Empty while the rate is not known."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        seconds = task.finished_time if task.finished else task.time_remaining
        time = timedelta(seconds=round(seconds or 0))
        return Text(f"{speed:,.0f}/s, {f'took {time}' if task.finished else f'{time} left'}")


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
    whole = Column(no_wrap=True)  # on a narrow terminal the bar gives way, not the figures
    columns = (
        TextColumn("{task.description:<10}", table_column=whole),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}", table_column=whole.copy()),
        _Pace(),
    )
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task(name, total=total, unit=unit)
        yield lambda done: progress.advance(task, done)
        progress.update(task, completed=total)


@contextmanager
def _lines(console: Console, name: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    start = last = perf_counter()
    seen = 0

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    def advance(done: int) -> None:
        nonlocal seen, last
        seen += done
        now = perf_counter()
        if now - last >= PLAIN_SECONDS:
            last, rate = now, seen / (now - start)
            left = (total - seen) / rate if rate else 0
            say(f"{name}: {seen:,}/{total:,} {unit}, {rate:,.0f}/s, {left:.0f} s left")

    yield advance
    say(f"{name}: done, {seen:,} {unit} in {perf_counter() - start:.1f} s")
