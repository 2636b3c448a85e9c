"""``python -m tiprdc_fl.report``: a run's page anew, or several runs side by side."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tiprdc_fl.disk import write_text
from tiprdc_fl.errors import InputError, exit_status
from tiprdc_fl.report.compare.comparison import compare
from tiprdc_fl.report.compare.page import comparison_page
from tiprdc_fl.report.compare.terminal import show_comparison
from tiprdc_fl.report.html.browser import open_page
from tiprdc_fl.report.html.document import page
from tiprdc_fl.report.html.reconstruction import pictures
from tiprdc_fl.report.read import read_report
from tiprdc_fl.report.schema import Report, json_schema
from tiprdc_fl.report.terminal import show
from tiprdc_fl.store.paths import RunFolder

_EXAMPLES = """examples:
  python -m tiprdc_fl.report runs/faces                     # writes runs/faces/report.html anew
  python -m tiprdc_fl.report runs/a runs/b --out ab.html    # b against a: what differs beyond its intervals
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, 2 after a user's mistake, 130 after an interrupt."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if parsed.schema:
        print(json.dumps(json_schema(), indent=1))
        return 0
    if not parsed.runs:
        parser.error("name a run folder, or several")
    return exit_status(lambda: report_on(parsed.runs, parsed.out, Console(), parsed.full), "interrupted")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tiprdc_fl.report",
        description="Write a run's page anew, or set several runs side by side.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", type=Path, help="run folders; the first is compared to"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="where the page goes; default: report.html in the run folder, compare.html here for several runs",
    )
    parser.add_argument("--full", action="store_true", help="print all figures of a run, too")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of report.json")
    return parser


def report_on(runs: Sequence[Path], out: Path | None, console: Console, full: bool = False) -> None:
    """Writes the page of a run, or of a comparison, and opens it where there is a display.

    Args:
        runs: run folders; several are compared.
        out: where the page goes; None: its default.
        console: shows a comparison, and with ``full`` all figures of a single run.
        full: whether all figures are printed.

    Raises:
        InputError: a folder holds no finished run, its report is damaged, or the page cannot be written.
    """
    if out is not None:
        _check(out)
    reports = [read_report(run) for run in runs]
    path = out or (RunFolder(runs[0]).report_html if len(runs) == 1 else Path("compare.html"))
    text = _text(runs, reports, console)
    write_text(path, text)
    if full and len(reports) == 1:
        show(reports[0], console, full=True)
    console.print(f"Page: {path}", highlight=False, markup=False, soft_wrap=True)
    open_page(path, all(report.configuration.open_report for report in reports))


def _check(out: Path) -> None:
    """Before anything is read or shown: whether a page can lie there."""
    if out.is_dir():
        raise InputError(f"--out={out} is a folder; name a file")
    if not out.parent.is_dir():
        raise InputError(f"--out={out}: there is no folder {out.parent}; make it, or name another")


def _text(runs: Sequence[Path], reports: Sequence[Report], console: Console) -> str:
    """The page; a comparison is shown on the terminal, too."""
    if len(runs) == 1:
        return page(reports[0], pictures(runs[0]))
    found = compare(runs, reports)
    text = comparison_page(found)
    show_comparison(found, console)
    return text


if __name__ == "__main__":
    sys.exit(main())
