"""A comparison of runs on the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tiprdc_fl.config.keys import show as value_text
from tiprdc_fl.report.compare.comparison import NOTHING_IN_COMMON, Comparison
from tiprdc_fl.report.compare.page import cost_cells
from tiprdc_fl.report.differences import RULE, in_words
from tiprdc_fl.report.words import readable, share


def show_comparison(found: Comparison, console: Console) -> None:
    """Prints which runs differ in what, and whether by more than their intervals."""
    for letter, folder in zip(found.letters, found.folders, strict=True):
        console.print(f"{letter}  {readable(folder)}", highlight=False, markup=False, soft_wrap=True)
    for warning in found.warnings:
        console.print(f"\n{readable(warning)}", highlight=False, markup=False, style="yellow")
    console.print()
    console.print(settings_table(found))
    console.print()
    if found.in_common:
        console.print(figures_table(found))
    else:
        console.print(NOTHING_IN_COMMON, highlight=False, markup=False, style="yellow")
    console.print()
    console.print(costs_table(found))
    console.print()
    for sentence in found.samples:
        console.print(readable(sentence), highlight=False, markup=False)
    console.print(f"\n{RULE}", highlight=False, markup=False)


def settings_table(found: Comparison) -> Table:
    """Keys that differ."""
    table = _grid("key", *found.letters)
    for name, values in found.settings.items():
        table.add_row(escape(name), *(escape(value_text(value)) for value in values))
    if not found.settings:
        table.add_row("the configurations are the same", *("" for _ in found.letters))
    return table


def figures_table(found: Comparison) -> Table:
    """A figure a line, then a line of differences to the first run."""
    table = _grid("balanced accuracy in %", *found.letters, right=True)
    for line in found.lines:
        figures = (share(figure) if figure else "n/a" for figure in line.figures)
        table.add_row(escape(readable(line.title)), *figures)
        words = (
            f"[bold]{in_words(one)}[/bold]" if one.exceeds else in_words(one) for one in line.differences
        )
        table.add_row("  less A", "", *words, style="dim")
    return table


def costs_table(found: Comparison) -> Table:
    """Bytes, time, people, participation."""
    table = _grid("cost", *found.letters, right=True)
    for cost in (*found.costs, *found.participation):
        table.add_row(escape(readable(cost.title)), *cost_cells(cost))
    return table


def _grid(first: str, *others: str, right: bool = False) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    return table
