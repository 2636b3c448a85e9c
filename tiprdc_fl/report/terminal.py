"""The report on the terminal, for a reader who has not read the paper."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tiprdc_fl.report.sentences import names_lines, partition_lines, sentences
from tiprdc_fl.report.words import TITLES, percent

_COLUMNS = {name: title.replace(" ", "\n") for name, title in TITLES.items()}
_ROLES = {"private": "PRIVATE (should be low)", "task": "TASK (should be high)"}
_LEGEND = {
    "table1, table2": "the paper's classifier; linear: logistic regression; mlp, knn, trees: other adversaries",
    "auxiliary": "learned from the collector's own people, the others from contributors' labels",
    "sent features": "what the contributors sent; the strongest probe counts",
    "untrained extractor": "control: features of a random network, never trained",
    "raw data": "control: the same networks trained end to end on raw inputs",
    "blind guess": "control: always the most frequent class",
    "usable bits": "what a probe tells of an attribute beyond its class shares",
}


def show(report: dict[str, Any], console: Console) -> None:
    """Prints tables and sentences."""
    some = report["results"][0]
    _say(console, f"\nProtection: {report['protection']}")
    _say(console, "")
    _say(console, "How well can an attribute be inferred?", style="bold")
    _say(console, "Balanced accuracy in %, the mean over classes: 50 is chance for two classes.")
    _say(
        console,
        f"In brackets: 95 % interval over {some['measured_people']:,} unseen people, "
        f"{some['measured_examples']:,} examples.\n"
        f"Probes learn from {some['learned_examples']:,} examples of {some['learned_people']:,} contributors.\n",
    )
    console.print(inference_table(report))
    _say(console, "")
    console.print(_legend())
    _say(
        console,
        "report.json has also ROC-AUC, usable bits and accuracy, which probes and blind guess aim at by the class "
        "shares they learned from.",
    )
    for line in sentences(report):
        _say(console, f"\n{line}")
    _say(console, "\nWho has what", style="bold")
    for line in partition_lines(report):
        _say(console, line)
    _say(console, "\nNames", style="bold")
    for line in names_lines(report):
        _say(console, line)
    _say(console, "\nCollection", style="bold")
    console.print(cost_table(report))
    _say(console, "\nSeconds per stage", style="bold")
    console.print(stage_table(report))
    _say(console, "")
    path = f"{report['run_dir']}/report.html"
    console.print(f"Report: {path}", highlight=False, markup=False, soft_wrap=True)


def inference_table(report: dict[str, Any]) -> Table:
    """Balanced accuracy of every probe with the controls beside it, private attributes first."""
    table = _grid()
    table.show_header = True
    table.add_column("attribute,\n  probe", overflow="fold", vertical="bottom")
    for title in _COLUMNS.values():
        table.add_column(title, justify="right", no_wrap=True)
    for role, heading in _ROLES.items():
        rows = [row for row in report["results"] if row["role"] == role]
        if rows:
            table.add_row(heading, style="bold red" if role == "private" else "bold green")
        for attribute in dict.fromkeys(row["attribute"] for row in rows):
            table.add_row(f"  {escape(attribute)}")
            found = [row for row in rows if row["attribute"] == attribute]
            probes = [(row["probe"], row["learned_from"]) for row in found if row["probe"] != "constant"]
            for probe, source in dict.fromkeys(probes):
                name = f"    {probe}, auxiliary" if source == "collector" else f"    {probe}"
                table.add_row(name, *(_cell(found, kind, probe, source) for kind in _COLUMNS))
    return table


def cost_table(report: dict[str, Any]) -> Table:
    """Who answered, what was sent, what it took a contributor, and memory."""
    federation, memory, table = report["federation"], report["memory"], _grid()
    names = ["asked", "answered", "failed", "withdrawn", *["unanswered"][: federation["unanswered"]]]
    counted = (f"{federation[name]:,} {name}" for name in names)
    table.add_row("contributors", ", ".join(counted))
    if federation["asked_again"]:
        table.add_row("", f"{federation['asked_again']:,} messages failed and were sent again")
    for failure in federation["failures"][:3]:
        reason = escape(failure["reason"])
        table.add_row("", f"contributor {failure['contributor']} failed, {failure['stage']}: {reason}")
    if len(federation["failures"]) > 3:
        table.add_row("", "more failures: report.json")
    rate = federation["examples_per_second"]
    speed = "" if rate is None else f", {rate:,.0f} a second from the first request on"
    table.add_row("examples", f"{federation['examples']:,}{speed}")
    sent, raw = (f"{federation[f'{kind}_bytes_per_example']:,.0f}" for kind in ("sent", "raw"))
    table.add_row("sent", f"{federation['sent_bytes'] / 1e6:,.1f} MB, {sent} bytes an example")
    table.add_row(
        "raw", f"{raw} bytes an example: features are {federation['sent_to_raw_ratio']:.2f} times that"
    )
    seconds = federation["seconds_per_contributor"].get("extraction")
    _course_rows(report, table)
    if seconds:
        table.add_row("extraction", f"{_extraction(seconds, federation['mode'])}; on this host")
    collector, worker = memory["collector_peak_bytes"], memory["worker_peak_bytes"]
    workers = "" if worker is None else f"; largest worker {worker / 2**20:,.0f} MiB"
    table.add_row("peak memory", f"collector {collector / 2**20:,.0f} MiB, over all stages{workers}")
    return table


def _course_rows(report: dict[str, Any], table: Table) -> None:
    """The strategy's outcome, and what the devices' times would have been."""
    strategy, devices = report["strategy"], report["devices"]
    outcome, cost = strategy["outcome"], strategy["modelled"]
    counted = ", ".join(f"{outcome[name]:,} {name}" for name in ("requests", "lost", "late", "cut"))
    table.add_row("strategy", f"{strategy['name']}: {counted}, {outcome['duplicates']:,} answers came twice")
    if strategy["enough"] is False:
        table.add_row("", "it never had enough: lower what it wants, raise clients, or give it more time")
    if outcome["never_came"]:
        table.add_row("", f"{outcome['never_came']:,} more were wanted and never available in that time")
    if strategy["name"] == "quota":
        table.add_row("", f"of {strategy['settings']['quota']:,} examples wanted: {escape(_got(strategy))}")
    if devices is None:
        return
    table.add_row("modelled", f"{_duration(cost['seconds'])} until it was over; {escape(devices['title'])}")
    half, most = (cost["seconds_to_share"][share] for share in ("p50", "p95"))
    if half is not None:
        table.add_row("", f"half of the answers within {_duration(half)}, 95 % within {_duration(most)}")
    down, up, vain = (f"{cost[f'{name}_bytes'] / 1e6:,.1f}" for name in ("downlink", "uplink", "wasted"))
    table.add_row("", f"{down} MB to devices, {up} MB from them, {vain} MB of it in vain")
    for title, stages in report["latency"]["modelled"].items():
        parts = (f"{name} {1000 * stages[name]['p50']:,.0f}" for name in ("download", "compute", "upload"))
        table.add_row("", f"{escape(title)}: {', '.join(parts)} ms (medians)")


def _got(strategy: dict[str, Any]) -> str:
    """Examples of each group of a quota that came."""
    groups = strategy["participation"]
    if strategy["settings"]["per"] == "device":
        return ", ".join(f"{row['group']} {row['examples']:,}" for row in groups["device"])
    rows = [row for rows in groups["attribute"].values() for row in rows]
    return ", ".join(f"{row['group']} {row['answered']:,}" for row in rows)


def _duration(seconds: float) -> str:
    """Modelled seconds as one reads them."""
    for unit, size in {"days": 86_400, "hours": 3600, "minutes": 60}.items():
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} seconds"


def _extraction(seconds: dict[str, float], mode: str) -> str:
    """Milliseconds a contributor; of a share of batches the median says all."""
    p50, p95, p99 = (f"{1000 * seconds[name]:,.1f}" for name in ("p50", "p95", "p99"))
    if mode == "throughput":
        return f"{p50} ms a contributor (median), its share of batches"
    return f"{p50} ms a contributor (median), 95 %: {p95}, 99 %: {p99}"


def stage_table(report: dict[str, Any]) -> Table:
    """Seconds of each stage."""
    table = _grid()
    table.add_column()
    table.add_column(justify="right")
    for stage, seconds in report["seconds"].items():
        table.add_row(stage, f"{seconds:,.1f}")
    return table


def _grid() -> Table:
    return Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)


def _legend() -> Table:
    table = _grid()
    for name, meaning in _LEGEND.items():
        table.add_row(name, meaning, style="dim")
    return table


def _say(console: Console, line: str, style: str = "") -> None:
    console.print(line, highlight=False, markup=False, style=style)


def _cell(rows: list[dict[str, Any]], representation: str, probe: str, source: str) -> str:
    """The figure of one probe on one representation; the blind guess stands beside every probe."""
    for row in rows:
        fits = row["probe"] == "constant" or (row["probe"], row["learned_from"]) == (probe, source)
        if row["representation"] == representation and fits:
            return percent(row)
    return ""
