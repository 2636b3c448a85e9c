"""Every device class takes part at the same rate: a stratified sample, whoever is slow or drops out."""

from collections.abc import Sequence

from strategies.strategy import Progress, Settings, Strategy


def fair(settings: Settings) -> Strategy:
    """The same share of each device class answers, ``target`` contributors in all.

    Who is given up is replaced by another one of the same class, and the slow are waited for. (For equal numbers
    instead of equal shares, see ``quota`` with ``per`` "device".)
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
    found = [int(share) for share in exact]
    by_remainder = sorted(range(len(people)), key=lambda group: found[group] - exact[group])
    for group in by_remainder[: total - sum(found)]:
        found[group] += 1
    return found
