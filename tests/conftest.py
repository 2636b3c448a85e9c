"""Set up for every test: one thread, no window; where there is no Chromium, the page's tests say so in one line."""

import os

os.environ["BROWSER"] = "true"  # the program that does nothing: no test opens a window, nor does its child
os.environ["OMP_NUM_THREADS"] = (
    "1"  # networks as small as the tests' lose time by more, here and in child processes
)

import pytest
import torch

import tiprdc_fl.federation  # noqa: F401  (turns Flower's telemetry off before a test imports flwr)
from tests.report.browser import chromium

torch.set_num_threads(1)
NO_CHROMIUM = "no Chromium: install it with `make chromium`"


SLOW = ("flower", "browser", "slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, so that no process is left with one at the end.

    The only tests that are ever skipped are the browser's, where there is no Chromium.
    """
    first = {item.path: len(SLOW) for item in items}
    for item in items:
        marks = [place for place, mark in enumerate(SLOW) if item.get_closest_marker(mark)]
        first[item.path] = min(first[item.path], *marks, len(SLOW))
    items.sort(key=lambda item: first[item.path])
    if chromium() is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [
        report for report in terminalreporter.stats.get("skipped", ()) if NO_CHROMIUM in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests of the pages did not run: {NO_CHROMIUM}", yellow=True
        )
