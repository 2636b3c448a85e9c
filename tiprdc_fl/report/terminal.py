"""The report's headline on the terminal: run, leakage and utility, cost, warnings."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tiprdc_fl.report.details import COLUMNS, grid, say, show_details, table_by_role
from tiprdc_fl.report.queries import strongest
from tiprdc_fl.report.schema import Report
from tiprdc_fl.report.sentences import unconverged
from tiprdc_fl.report.words import duration, readable, share, size


def show(report: Report, console: Console, full: bool = False) -> None:
    """Prints the headline and the path of the page.

    Args:
        report: of the run.
        console: to print on.
        full: whether every probe, the sentences and the tables of cost follow.
    """
    measured, configuration = report.results[0], report.configuration
    say(
        console,
        f"\n{readable(report.name)}: {configuration.data.name}, seed {configuration.seed}",
        style="bold",
    )
    say(console, f"Protection: {report.protection}\n")
    say(
        console,
        "Balanced accuracy in % of the strongest probe (50 is chance for two classes), with 95 % intervals over "
        f"{measured.measured_people:,} unseen people (one seed: the variance of training is not in them):",
    )
    console.print(headline_table(report))
    say(console, "")
    console.print(_costs(report))
    for warning in warnings(report):
        say(console, f"warning: {readable(warning)}", style="yellow")
    if full:  # its sentences end in the caveat
        show_details(report, console)
    else:
        say(console, f"\n{report.caveat}")
    path = f"{report.run_dir}/report.html"
    console.print(f"\nReport: {path}", highlight=False, markup=False, soft_wrap=True)
    if not full:
        command = f"python -m tiprdc_fl.report {report.run_dir} --full"
        console.print(f"All figures here: {command}", highlight=False, markup=False, soft_wrap=True)


def headline_table(report: Report) -> Table:
    """The strongest probe's figure of each attribute on the features and on each control."""

    def add_row(table: Table, name: str) -> None:
        table.add_row(f"  {escape(readable(name))}", *(_figure(report, name, kind) for kind in COLUMNS))

    return table_by_role(report, "", add_row)


def _figure(report: Report, attribute: str, representation: str) -> str:
    """The strongest probe's figure; empty where the representation was not measured."""
    best = strongest(report.results, attribute, representation)
    if best is not None:
        return share(best.balanced_accuracy)
    return "n/a" if any(row.representation == representation for row in report.results) else ""


def _costs(report: Report) -> Table:
    """Contributors, bytes and time."""
    federation, table = report.federation, grid()
    counts = ("asked", "answered", "failed", "withdrawn", *["unanswered"][: federation.unanswered])
    table.add_row("contributors", ", ".join(f"{getattr(federation, name):,} {name}" for name in counts))
    table.add_row(
        "sent",
        f"{size(federation.sent_bytes)}: {federation.examples:,} examples of "
        f"{federation.sent_bytes_per_example:,.0f} bytes ({federation.sent_to_raw_ratio:.2f} times the raw data)",
    )
    if report.devices is not None:
        over = duration(report.strategy.modelled.seconds)
        table.add_row("collection", f"{over}, modelled for {escape(report.devices.title)}")
    table.add_row("this host", f"{duration(sum(report.seconds.values()))} for all stages, measured")
    return table


def warnings(report: Report) -> Iterator[str]:
    """What went wrong, or makes the figures worth less."""
    federation, strategy = report.federation, report.strategy
    if federation.failures:
        first = federation.failures[0]
        yield (
            f"{federation.failed:,} contributors failed; the first, contributor {first.contributor}, at "
            f"{first.stage}: {first.reason}"
        )
    undefined = [
        name
        for name in dict.fromkeys(row.attribute for row in report.results)
        if strongest(report.results, name, "features") is None
    ]
    if undefined:
        yield (
            f"no figure of {', '.join(undefined)}: one of its values has fewer than 10 of the "
            f"{report.people.holdout.people:,} people measured; raise data.holdout_people"
        )
    if federation.asked_again:
        yield f"{federation.asked_again:,} messages failed and were sent again"
    if strategy.enough is False:
        yield "the strategy missed its goal: lower what it wants, raise clients, or give it more time"
    if strategy.outcome.never_came:
        yield f"{strategy.outcome.never_came:,} contributors were wanted and never available in that time"
    yield from unconverged(report.reconstruction)
