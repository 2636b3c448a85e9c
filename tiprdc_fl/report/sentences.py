"""What a report's figures say, in sentences."""

from collections.abc import Iterator, Sequence
from typing import Any

from tiprdc_fl.report.queries import pooled_row, strongest
from tiprdc_fl.report.schema import CAVEAT
from tiprdc_fl.report.words import TITLES, bits, percent, probe_name


def names_lines(report: dict[str, Any]) -> Iterator[str]:
    """What each chosen name stands for, a line each."""
    for key, names in report["names"].items():
        for name, label in names.items():
            yield f"{key}={name}: {label}"


def partition_lines(report: dict[str, Any]) -> Iterator[str]:
    """What the report's partition is like, in sentences."""
    section = report["partition"]
    sizes, settings = section["examples_per_contributor"], section["settings"]
    given = ", ".join(f"{key}={_text(value)}" for key, value in settings.items())
    yield f"{section['name']}: {section['label']}" + (f" ({given})." if given else ".")
    others = [(section["empty"], "without an example"), (section["topped_up"], "topped up to the minimum")]
    yield (
        f"{section['contributors']:,} contributors have {sizes['min']:,} to {sizes['max']:,} examples, "
        f"median {sizes['p50']:,.0f}, mean {sizes['mean']:,.1f}"
        + "".join(f"; {count:,} {what}" for count, what in others if count)
        + "."
    )
    expected = section["label_skew_expected"]
    skew = (f"{name} {one['mean']:.2f} ({expected[name]:.2f})" for name, one in section["label_skew"].items())
    yield (
        "Label skew, mean distance of a contributor's label shares to everybody's (in brackets: if it were "
        f"chance's alone): {', '.join(skew)}."
    )
    for name, one in section["private_share"].items():
        low, high = one["values"][1], one["values"][9]
        yield (
            f"{name}=1 has a share of {100 * one['whole']:.0f} % in all examples, of {100 * low:.0f} to "
            f"{100 * high:.0f} % in a contributor's (80 % of the contributors are within)."
        )
    wanted = report["configuration"]["evaluation"]["reidentification"]
    if wanted and not section["persons"]:
        yield "Whether two contributions are one person's is not asked: a contributor's are several people's."


def _text(value: Any) -> str:
    return f"[{','.join(value)}]" if isinstance(value, list) else str(value)


def sentences(report: dict[str, Any]) -> Iterator[str]:
    """What the table says, in words."""
    results, most = report["results"], report["configuration"]["evaluation"]["max_per_person"]
    for role, what in {"private": "Leakage", "task": "Utility"}.items():
        for attribute in dict.fromkeys(row["attribute"] for row in results if row["role"] == role):
            best, raw = (strongest(results, attribute, kind) for kind in ("features", "raw"))
            if best is None:
                yield (
                    f"{what} of {attribute}: n/a, not defined where the people measured have one value of it."
                )
                continue
            yield f"{what} of {attribute} in %: {percent(best)} by the {probe_name(best)} on the features" + (
                f"; {bits(best)} usable bits."
                if raw is None
                else f", {percent(raw)} on raw data; {bits(best)} of {bits(raw)} usable bits."
            )
            pooled = pooled_row(results, attribute)
            if pooled is not None:
                yield (
                    f"  From up to {most} examples of a person together instead of one: "
                    f"{percent(pooled, 'per_person')} by the {probe_name(pooled)}."
                )
            yield from unequal(report, attribute)
    yield from _curve(report["curve"])
    yield from _reidentified(report["reidentification"])
    yield from _reconstructed(report["reconstruction"])
    for attribute, value in report["co_trained_adversary"].items():
        if value is None:  # the few people it is measured on have one value
            continue
        yield (
            f"The adversary that was trained with the extractor infers {attribute} at {100 * value:.1f} %: "
            "for comparison with the paper, not a leakage figure."
        )
    yield CAVEAT


def _curve(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The strongest insider at each number of people, a line for each attribute."""
    for attribute in dict.fromkeys(row["attribute"] for row in rows):
        points = []
        for people in dict.fromkeys(row["people"] for row in rows):
            here = [row | {"representation": "features"} for row in rows if row["people"] == people]
            best = strongest(here, attribute, "features")
            points.append(f"{people:,}: {percent(best) if best else 'n/a'}")
        yield f"Leakage of {attribute} in % by the number of people the insider learns from: {', '.join(points)}."


def _reidentified(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Whether two contributions are of one person, as the features and the controls tell it."""
    of_whole = [row for row in rows if row["unit"] == "contribution" and row["roc_auc"]["value"] is not None]
    if of_whole:
        figures = ", ".join(f"{percent(row, 'roc_auc')} {TITLES[row['representation']]}" for row in of_whole)
        yield f"Same person or not, of two contributions, ROC-AUC in % (chance is 50): {figures}."


def _reconstructed(figures: dict[str, Any] | None) -> Iterator[str]:
    """How near a decoder comes to the images."""
    if figures is not None:
        blind = figures["blind"]
        yield (
            f"Reconstruction by a decoder: SSIM {figures['ssim']['value']:.2f} (the mean image: "
            f"{blind['ssim']['value']:.2f}), PSNR {figures['psnr']['value']:.1f} dB ({blind['psnr']['value']:.1f})."
        )


Rows = Sequence[dict[str, Any]]


def unequal(report: dict[str, Any], attribute: str) -> Iterator[str]:
    """Sentences on the groups and the tenth of the people that are worst off; none where nothing is defined."""
    rows = [row for row in report["groups"] if row["attribute"] == attribute]
    by_device, by_attribute = (
        worst_group(
            [row for row in rows if row["group_by"] != attribute and (row["group_by"] == "device") == which]
        )
        for which in (True, False)
    )
    found = [
        f"{kind}{row['group']} {percent(row)}"
        for kind, row in (("", by_attribute), ("device ", by_device))
        if row is not None
    ]
    if found:
        private = rows[0]["role"] == "private"
        yield f"  {'Most exposed' if private else 'Worst served'} group: {', '.join(found)}."
    for row in report["worst_off"]:
        if row["attribute"] == attribute and row["worst_tenth"]["value"] is not None:
            yield _tenth(row)


def worst_group(rows: Rows) -> dict[str, Any] | None:
    """The group with the least balanced accuracy, of a private attribute with the most; None of fewer than two."""
    known = [row for row in rows if row["balanced_accuracy"]["value"] is not None]
    if len(known) < 2:
        return None
    sign = -1 if known[0]["role"] == "private" else 1
    return min(known, key=lambda row: sign * row["balanced_accuracy"]["value"])


def _tenth(row: dict[str, Any]) -> str:
    """The tenth of the people that are worst off."""
    share, mean = percent(row, "worst_tenth"), percent(row, "mean")
    expected, most = 100 * row["expected_worst_tenth"], "at least" if row["role"] == "private" else "at most"
    return (
        f"  Of a tenth of the people {most} {share} % of their examples are inferred correctly, on average "
        f"{mean} %; if people did not differ, of a tenth {most} {expected:.1f} %."
    )
