"""Command line and ``run(config)``: wires the stages and nothing else."""

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console

from tiprdc_fl.config.help import parse_arguments
from tiprdc_fl.config.keys import Config, to_yaml
from tiprdc_fl.errors import exit_status, leave
from tiprdc_fl.evaluation.results import Metric
from tiprdc_fl.report.html.browser import open_page
from tiprdc_fl.report.schema import Report
from tiprdc_fl.report.terminal import show
from tiprdc_fl.stages.callbacks import Callback, follow_stage
from tiprdc_fl.stages.collect import collect_features
from tiprdc_fl.stages.evaluate import measure
from tiprdc_fl.stages.plan import device_titles
from tiprdc_fl.stages.prepare import prepare, unused_keys
from tiprdc_fl.stages.registries import choices, load_config
from tiprdc_fl.stages.report import report_on
from tiprdc_fl.stages.train import train


def run(
    config: Config,
    console: Console | None = None,
    quiet: bool = False,
    full: bool = False,
    callbacks: Sequence[Callback] = (),
    metrics: Mapping[str, Metric] | None = None,
) -> Report:
    """Runs every stage, or what of it is missing in the run folder, and returns the report.

    Args:
        config: the run.
        console: where progress and report are shown; None: standard output.
        quiet: shows progress, but not the report.
        full: shows all figures, not the headline alone.
        callbacks: follow the run, see Callback.
        metrics: name -> function(labels, logits, people) -> float, see ``evaluation.results.Metric``; each result
            of the report has them as ``metrics``. A finished run whose results have all these names keeps its
            values: give a function that has changed a new name.

    Raises:
        InputError: the configuration does not fit the data or the machine, or a stage cannot be done.
    """
    console = console or Console()
    current = follow_stage(callbacks, "prepare", prepare, config, console, tuple(callbacks), metrics or {})
    console.print(f"Run folder: {current.folder}", highlight=False, markup=False, soft_wrap=True)
    for key in () if quiet else unused_keys(config):
        console.print(f"note: {key} was changed and has no effect here", highlight=False, soft_wrap=True)
    trained = follow_stage(callbacks, "train", train, current)
    collected = follow_stage(callbacks, "collect", collect_features, current, trained)
    titles = device_titles(current)
    figures = follow_stage(callbacks, "evaluate", measure, current, trained, collected, titles)
    report = follow_stage(callbacks, "report", report_on, current, trained, collected, figures)
    if not quiet:
        show(report, console, full)
        open_page(current.folder.report_html, config.open_report)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, 2 after a user's mistake, 130 after an interrupt."""
    parsed = parse_arguments(sys.argv[1:] if arguments is None else arguments, choices())

    def work() -> None:
        config = load_config(parsed.config, parsed.overrides)
        if parsed.print_config:
            print(to_yaml(config), end="")
        else:
            run(config, full=parsed.full)

    return exit_status(work, "interrupted; the same command with run_dir=... resumes the run")


if __name__ == "__main__":
    leave(main())
