"""All of the report on the terminal: every probe, sentences, partition, collection, seconds per stage."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tiprdc_fl.report.queries import attributes_of, ranked
from tiprdc_fl.report.schema import Percentiles, ProbeResult, Report, StrategyFigures
from tiprdc_fl.report.sentences import names_lines, partition_lines, sentences
from tiprdc_fl.report.words import (
    SOURCES,
    duration,
    number,
    points,
    readable,
    share,
    size,
    title_of,
)

ROLES = {"private": "PRIVATE (should be low)", "task": "TASK (should be high)"}
_LEGEND = {
    "insider": "learned from contributors' labels; auxiliary: from the collector's own people's; both: from all",
    "set-...": "adversaries that learn from all of a person's examples at once",
    "validation": "balanced accuracy on validation people (set-...: per person): chooses the strongest; the other "
    "figures are of others",
    "steps, gain": "length of the training, and points that its last doubling brought; +: had not converged",
    "sent features": "what the contributors sent; the strongest probe counts",
    "label floor": "what travels with features by itself: task labels, counts, sizes, device classes",
    "features + metadata": "the strongest probes of both, put together",
    "untrained extractor": "control: features of a random network, never trained",
    "raw data": "control: the same probes on raw inputs",
    "blind guess": "control: always the most frequent class",
    "usable bits": "what a probe tells of an attribute beyond its class shares",
}


def show_details(report: Report, console: Console) -> None:
    """Prints every probe, the figures in sentences, the partition, the collection and seconds per stage."""
    first = report.results[0]
    say(console, "\nEvery probe", style="bold")
    say(
        console,
        f"{learned(report)} Intervals are over {first.measured_people:,} unseen people, "
        f"{first.measured_examples:,} examples.\n",
    )
    console.print(inference_table(report))
    say(console, "")
    console.print(_legend())
    say(
        console,
        "report.json has also ROC-AUC, true positives at few false ones, usable bits and accuracy, which probes "
        "and blind guess aim at by the class shares they learned from.",
    )
    if first.metrics:
        say(console, "\nMetrics handed to the run", style="bold")
        console.print(metric_table(report))
    for line in sentences(report):
        say(console, f"\n{line}")
    say(console, "\nPartition", style="bold")
    for line in partition_lines(report):
        say(console, line)
    say(console, "\nNames", style="bold")
    for line in names_lines(report):
        say(console, line)
    say(console, "\nCollection", style="bold")
    console.print(cost_table(report))
    say(console, "\nSeconds per stage", style="bold")
    console.print(stage_table(report))


def inference_table(report: Report) -> Table:
    """Every probe of every attribute, private ones first; on each representation the strongest first."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("attribute, on,\nprobe and labels", overflow="fold", vertical="bottom")
    for title in ("one\nexample", "per\nperson", "valid-\nation", "steps", "gain"):
        table.add_column(title, justify="right", no_wrap=True, vertical="bottom")
    for role in ROLES:
        for attribute in attributes_of(report.results, role):
            style = "bold red" if role == "private" else "bold green"
            table.add_row(f"{escape(readable(attribute))}", style=style)
            rows = [row for row in report.results if row.attribute == attribute]
            for kind, probes in ranked(rows).items():
                table.add_row(f" {escape(title_of(kind))}", style="bold")
                for row in probes:
                    table.add_row(f"  {_labelled(row)}", *_figures(row))
    return table


def _labelled(row: ProbeResult) -> str:
    """A probe, and whose labels it has."""
    return row.probe if row.representation == "majority" else f"{row.probe}, {SOURCES[row.learned_from]}"


def _figures(row: ProbeResult) -> Iterator[str]:
    """Figures of a probe; empty where it has none of the kind."""
    defined = row.balanced_accuracy.value is not None or row.per_person.value is None
    yield share(row.balanced_accuracy) if defined else ""
    yield "" if row.per_person.value is None else share(row.per_person)
    chosen_by = row.validation_per_person if row.validation is None else row.validation
    yield "" if chosen_by is None else points(chosen_by)
    late = "" if row.converged else "+"
    yield late if row.steps is None else f"{row.steps:,}{late}"
    gained = row.last_doubling
    yield "" if gained is None else points(gained)


def learned(report: Report) -> str:
    """How much the probes of each source could learn from, in a sentence."""
    most: dict[str, tuple[int, int]] = {}
    for row in report.results:
        if row.representation == "features":
            amount = (row.learned_examples, row.learned_people)
            most[row.learned_from] = max(amount, most.get(row.learned_from, amount))
    amounts = (
        f"{SOURCES[source]} from {examples:,} examples of {people:,} people"
        for source, (examples, people) in most.items()
    )
    return f"Probes learn: {'; '.join(amounts)}."


def metric_table(report: Report) -> Table:
    """The caller's own metrics of every probe on every representation."""
    table = grid()
    table.show_header = True
    for title in ("attribute", "probe", "on", *report.results[0].metrics):
        table.add_column(escape(readable(title)), overflow="fold")
    for row in report.results:
        values = (number(value, 4) for value in row.metrics.values())
        table.add_row(
            escape(readable(row.attribute)), _labelled(row), escape(title_of(row.representation)), *values
        )
    return table


def cost_table(report: Report) -> Table:
    """Who answered, what was sent, what it took a contributor, and memory."""
    federation, memory, table = report.federation, report.memory, grid()
    for failure in federation.failures[:3]:
        reason = escape(readable(failure.reason))
        table.add_row("", f"contributor {failure.contributor} failed, {failure.stage}: {reason}")
    if len(federation.failures) > 3:
        table.add_row("", "more failures: report.json")
    if federation.examples_per_second is not None:
        table.add_row(
            "speed", f"{federation.examples_per_second:,.0f} examples a second from the first request on"
        )
    raw, ratio = federation.raw_bytes_per_example, federation.sent_to_raw_ratio
    table.add_row("raw", f"{raw:,.0f} bytes an example: features are {ratio:.2f} times that")
    _course_rows(report, table)
    seconds = federation.seconds_per_contributor.extraction
    table.add_row("extraction", f"{_extraction(seconds, federation.mode)}; on this host")
    worker = memory.worker_peak_bytes
    workers = "" if worker is None else f"; largest worker {worker / 2**20:,.0f} MiB"
    collector = memory.collector_peak_bytes / 2**20
    table.add_row("peak memory", f"collector {collector:,.0f} MiB, over all stages{workers}")
    return table


def _course_rows(report: Report, table: Table) -> None:
    """The strategy's outcome, and what the devices' times would have been."""
    strategy, cost = report.strategy, report.strategy.modelled
    outcome = strategy.outcome
    table.add_row(
        "strategy",
        f"{strategy.name}: {outcome.requests:,} requests, {outcome.lost:,} lost, {outcome.late:,} late, "
        f"{outcome.cut:,} cut, {outcome.duplicates:,} answers came twice",
    )
    if strategy.name == "quota":
        table.add_row("", f"of {strategy.settings['quota']:,} examples wanted: {escape(_got(strategy))}")
    if report.devices is None:
        return
    half, most = cost.seconds_to_share.p50, cost.seconds_to_share.p95
    if half is not None:
        table.add_row(
            "modelled", f"half of the answers within {duration(half)}, 95 % within {duration(most)}"
        )
    down, up, vain = map(size, (cost.downlink_bytes, cost.uplink_bytes, cost.wasted_bytes))
    table.add_row("", f"{down} to devices, {up} from them, {vain} of it in vain")
    for title, stages in report.latency.modelled.items():
        parts = {"download": stages.download, "compute": stages.compute, "upload": stages.upload}
        medians = ", ".join(f"{name} {duration(seconds.p50)}" for name, seconds in parts.items())
        table.add_row("", f"{escape(title)}: {medians} (medians)")


def _got(strategy: StrategyFigures) -> str:
    """Examples of each group of a quota that came."""
    groups = strategy.participation
    if strategy.settings["per"] == "device":
        return ", ".join(f"{row.group} {row.examples:,}" for row in groups.device)
    rows = [row for rows in groups.attribute.values() for row in rows]
    return ", ".join(f"{readable(row.group)} {row.answered:,}" for row in rows)


def _extraction(seconds: Percentiles, mode: str) -> str:
    """Milliseconds a contributor; of a share of batches the median says all."""
    p50, p95, p99 = (f"{1000 * value:,.1f}" for value in (seconds.p50, seconds.p95, seconds.p99))
    if mode == "throughput":
        return f"{p50} ms a contributor (median), its share of batches"
    return f"{p50} ms a contributor (median), 95 %: {p95}, 99 %: {p99}"


def stage_table(report: Report) -> Table:
    """Seconds of each stage."""
    table = grid()
    table.add_column()
    table.add_column(justify="right")
    for stage, seconds in report.seconds.items():
        table.add_row(stage, f"{seconds:,.1f}")
    return table


def grid() -> Table:
    """A table without lines and heads."""
    return Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)


def _legend() -> Table:
    table = grid()
    for name, meaning in _LEGEND.items():
        table.add_row(name, meaning, style="dim")
    return table


def say(console: Console, line: str, style: str = "") -> None:
    """Prints a line as it is."""
    console.print(line, highlight=False, markup=False, style=style)
