"""``python -m tiprdc_fl.store``: what may be asked of a run folder's stored features."""

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
labels of every row. Two runs with the same digest collected the same features, in whatever order they
arrived; seconds and sizes are not in it."""
_WITHDRAW = """Remove what contributors sent from the run folder: their rows in every store, old versions and
merged files included, their measurements, samples in quarantine and reasons of failure. That they withdrew
stays, in withdrawals.jsonl: a resumed collection does not ask them again. Figures computed with them
(results.json, report.json, report.html) are removed too, and what the virtual clock had on them;
partition.parquet stays, which has the numbers of examples and none of them. The same command completes a
removal that was interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, 2 after a user's mistake, 130 after an interrupt."""
    parsed = _parser().parse_args(arguments)

    def work() -> None:
        if parsed.command == "digest":
            print_digest(parsed.run)
        else:
            print_withdrawal(parsed.run, parsed.contributor)

    return exit_status(work, "interrupted; the same command completes what it began")


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
        *("--contributor", "-c"),
        nargs="+",
        action="extend",
        required=True,
        metavar="ID",
        help="who withdraws; one or several ids",
    )
    return parser


def print_digest(run: Path) -> None:
    """Prints the digest of a run folder's features.

    Raises:
        InputError: there are none, or they are damaged.
    """
    print(store_of(run).digest())


def print_withdrawal(run: Path, ids: Sequence[str]) -> None:
    """Has contributors withdraw from a run, and says what was removed.

    Raises:
        InputError: the run folder or its store is missing or damaged, or an id is no contributor's.
    """
    store_of(run)
    contributors = contributors_of(run, ids)
    removed = withdraw(run, contributors)
    print(f"withdrawn: {', '.join(map(str, contributors))}")
    for store, rows in removed.items():
        if rows:
            print(f"{store}: {rows:,} rows removed")
    if not any(removed.values()):
        print("no store has rows of theirs")
    print(
        "results.json and the report are removed, because they may be computed with them; to measure again: "
        f"python -m tiprdc_fl.simulate --config {RunFolder(run).config} run_dir={run}"
    )


def store_of(run: Path) -> FeatureStore:
    """The store of a run folder.

    Raises:
        InputError: no such folder, no store in it, or the store is damaged.
    """
    if not run.is_dir():
        raise InputError(f"{run}: there is no such run folder; name one that tiprdc_fl.simulate has made")
    return open_store(RunFolder(run).features)


def contributors_of(run: Path, ids: Sequence[str]) -> list[int]:
    """Ids as numbers, in order, once all are contributors of the run; whether they have sent or not.

    Raises:
        InputError: an id is not an integer, or no contributor's; the run has no collection.
    """
    path = RunFolder(run).contributors
    with reading(path):
        known = {int(contributor) for contributor in json.loads(path.read_text(encoding="utf-8"))}
    found = []
    for text in ids:
        try:
            found.append(int(text))
        except ValueError:
            raise InputError(f"--contributor {text}: not an integer; ids are those in {path}") from None
    strangers = sorted(set(found) - known)
    if strangers:
        names = ", ".join(map(str, strangers[:10])) + ", ..." * (len(strangers) > 10)
        raise InputError(f"--contributor {names}: no contributor of this run; ids are those in {path}")
    return sorted(set(found))


if __name__ == "__main__":
    sys.exit(main())
