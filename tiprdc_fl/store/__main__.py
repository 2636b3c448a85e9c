"""``python -m tiprdc_fl.store``: prints the digest of a run's features, or withdraws contributors from it."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tiprdc_fl.disk import reading
from tiprdc_fl.errors import InputError, exit_status
from tiprdc_fl.store.feature_store import FeatureStore, open_store
from tiprdc_fl.store.paths import RunFolder
from tiprdc_fl.store.withdrawal import withdraw

_EXAMPLES = """examples:
  python -m tiprdc_fl.store digest runs/faces
  python -m tiprdc_fl.store withdraw runs/faces --contributor 17 23
"""
_DIGEST = """Print a SHA-256 over what the contributors sent: the layout, and contributor, row, payload and task
labels of every row. Two runs with the same digest collected the same features. The digest does not depend on
the order in which they arrived, nor on seconds and sizes."""
_WITHDRAW = """Remove from the run folder what contributors sent: their rows in every store (old versions and
merged files included), their measurements, their samples in quarantine and the reasons of their failures. The
withdrawal itself is recorded in withdrawals.jsonl, so that a resumed collection does not ask them again. Figures
computed with their data (results.json, report.json, report.html) and the requests of the virtual clock are removed
too. partition.parquet stays: it holds numbers of examples, not examples. The same command completes a removal
that was interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status: 0, 2 after a user's mistake, 130 after an interrupt."""
    parsed = _parser().parse_args(arguments)

    def work() -> None:
        if parsed.command == "digest":
            print_digest(parsed.run)
        else:
            print_withdrawal(parsed.run, parsed.contributor)

    return exit_status(work, "interrupted; run the same command again to complete it")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tiprdc_fl.store",
        description="Compare or remove what contributors sent.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    digest = commands.add_parser("digest", help="print a digest of the stored features", description=_DIGEST)
    removal = commands.add_parser("withdraw", help="remove what contributors sent", description=_WITHDRAW)
    for command in (digest, removal):
        command.add_argument("run", metavar="RUN", type=Path, help="a run folder of tiprdc_fl.simulate")
    removal.add_argument(
        "--contributor",
        "-c",
        nargs="+",
        action="extend",
        required=True,
        metavar="ID",
        help="ids of the contributors who withdraw",
    )
    return parser


def print_digest(run: Path) -> None:
    """Prints the digest of a run folder's features.

    Raises:
        InputError: the folder or its store is missing or damaged.
    """
    print(store_of(run).digest())


def print_withdrawal(run: Path, ids: Sequence[str]) -> None:
    """Withdraws contributors from a run, and prints what was removed.

    Raises:
        InputError: the run folder or its store is missing or damaged, or an id is not that of a contributor.
    """
    store_of(run)
    contributors = contributors_of(run, ids)
    removed = withdraw(run, contributors)
    print(f"withdrawn: {', '.join(map(str, contributors))}")
    for store, rows in removed.items():
        if rows:
            print(f"{store}: {rows:,} rows removed")
    if not any(removed.values()):
        print("no store held rows of these contributors")
    print(
        "results.json and the report are removed because they may include these contributors; to measure again: "
        f"python -m tiprdc_fl.simulate --config {RunFolder(run).config} run_dir={run}"
    )


def store_of(run: Path) -> FeatureStore:
    """Opens the store of a run folder.

    Raises:
        InputError: the folder or its store is missing, or the store is damaged.
    """
    if not run.is_dir():
        raise InputError(
            f"{run}: there is no such run folder; name the run_dir of a run of tiprdc_fl.simulate"
        )
    return open_store(RunFolder(run).features)


def contributors_of(run: Path, ids: Sequence[str]) -> list[int]:
    """Parses ids of contributors of a run, whether these have sent features or not.

    Args:
        run: the run folder.
        ids: ids as the user typed them.

    Returns:
        The distinct ids in ascending order.

    Raises:
        InputError: an id is not an integer or not that of a contributor, or the run has no collection.
    """
    path = RunFolder(run).contributors
    with reading(path):
        known = {int(contributor) for contributor in json.loads(path.read_text(encoding="utf-8"))}
    contributors = set[int]()
    for text in ids:
        try:
            contributors.add(int(text))
        except ValueError:
            raise InputError(f"--contributor {text}: not an integer; the ids are in {path}") from None
    unknown = sorted(contributors - known)
    if unknown:
        names = ", ".join(map(str, unknown[:10])) + ", ..." * (len(unknown) > 10)
        raise InputError(f"--contributor {names}: not a contributor of this run; the ids are in {path}")
    return sorted(contributors)


if __name__ == "__main__":
    sys.exit(main())
