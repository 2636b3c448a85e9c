"""Every device class takes part at the same rate: a stratified sample, also of the slow and the unreliable."""

from collections.abc import Sequence

from strategies.strategy import Progress, Settings, Strategy, StrategyRecord, enough_contributors


def fair(settings: Settings) -> Strategy:
    """The same share of each device class answers, ``target`` contributors in all.

    A contributor who is given up is replaced by another of the same class, and the slow are waited for. (For equal
    numbers instead of equal shares, see ``quota`` with ``per`` "device".)
    """

    def lacking(progress: Progress) -> list[int]:
        wanted = shares(settings.target, progress.people)
        columns = zip(wanted, progress.answered, strict=True)
        return [number - answered for number, answered in columns]

    def ask(progress: Progress) -> list[int]:
        return [lack - pending for lack, pending in zip(lacking(progress), progress.pending, strict=True)]

    def enough(progress: Progress) -> bool:
        return all(lack <= 0 for lack in lacking(progress))

    return Strategy(ask, enough, by_device=True)


def shares(total: int, people: Sequence[int]) -> list[int]:
    """``total``, at most all people, divided in proportion to ``people``: the largest remainders round up."""
    everybody = sum(people)
    total = min(total, everybody)
    exact = [total * number / max(1, everybody) for number in people]
    rounded = [int(share) for share in exact]
    by_remainder = sorted(range(len(people)), key=lambda group: rounded[group] - exact[group])
    for group in by_remainder[: total - sum(rounded)]:
        rounded[group] += 1
    return rounded


FAIR = StrategyRecord(
    label="the same share of every device class",
    make=fair,
    reads=("strategy.target",),
    check=enough_contributors,
)
