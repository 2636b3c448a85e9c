"""``python -m simulations``: which studies there are."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from simulations.studies import STUDIES
from tiprdc_fl.errors import InputError, exit_status


def show(console: Console) -> None:
    """Prints each study with the figure of the paper that it is about, and its question."""
    table = Table("study", "of the paper", "question", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for study in STUDIES.values():
        table.add_row(study.name, study.figure, study.question)
    console.print(table)
    console.print("\npython -m simulations.STUDY [key=value ...]; --help says more", markup=False)


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit status: 0, or 2 after a user's mistake."""

    def work() -> None:
        if arguments:
            raise InputError(
                f"python -m simulations takes no argument, got {arguments[0]!r}: python -m simulations.STUDY runs "
                f"a study; there are {', '.join(STUDIES)}"
            )
        show(Console())

    return exit_status(work, "interrupted")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
