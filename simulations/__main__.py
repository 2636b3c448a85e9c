"""``python -m simulations``: which studies there are."""

from rich.console import Console
from rich.table import Table

from simulations.studies import STUDIES


def show(console: Console) -> None:
    """Prints each study with the figure of the paper that it is about, and its question."""
    table = Table("study", "of the paper", "question", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for study in STUDIES.values():
        table.add_row(study.name, study.figure, study.question)
    console.print(table)
    console.print("\npython -m simulations.STUDY [key=value ...]; --help says more", markup=False)


if __name__ == "__main__":
    show(Console())
