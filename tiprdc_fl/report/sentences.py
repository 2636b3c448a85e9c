"""What a report's figures say, in sentences."""

from collections.abc import Iterator, Sequence

from tiprdc_fl.report.beside import instead
from tiprdc_fl.report.certificate import certified
from tiprdc_fl.report.floor import below_chance, beyond_floor
from tiprdc_fl.report.queries import attributes_of, highest, pooled_row, strongest, worst_group
from tiprdc_fl.report.schema import (
    CAVEAT,
    Converging,
    CurvePoint,
    GroupResult,
    ProbeResult,
    ReconstructionResult,
    ReidentificationResult,
    Report,
    WorstOffResult,
)
from tiprdc_fl.report.words import number, probe_name, share, title_of, whole_range


def names_lines(report: Report) -> Iterator[str]:
    """What each chosen name stands for, a line each."""
    for key, names in report.names.items():
        for name, label in names.items():
            yield f"{key}={name}: {label}"


def partition_lines(report: Report) -> Iterator[str]:
    """What the report's partition is like, in sentences."""
    section = report.partition
    sizes = section.examples_per_contributor
    given = ", ".join(f"{key}={_text(value)}" for key, value in section.settings.items())
    yield f"{section.name}: {section.label}" + (f" ({given})." if given else ".")
    others = [(section.empty, "without an example"), (section.topped_up, "topped up to the minimum")]
    yield (
        f"{section.contributors:,} contributors have {sizes.min:,} to {sizes.max:,} examples, "
        f"median {sizes.p50:,.0f}, mean {sizes.mean:,.1f}"
        + "".join(f"; {count:,} {what}" for count, what in others if count)
        + "."
    )
    expected = section.label_skew_expected
    skew = (f"{name} {spread.mean:.2f} ({expected[name]:.2f})" for name, spread in section.label_skew.items())
    yield (
        "Label skew, mean distance of a contributor's label shares to everybody's (in brackets: if it were "
        f"chance's alone): {', '.join(skew)}."
    )
    for name, private in section.private_share.items():
        low, high = private.values[1], private.values[9]
        yield (
            f"{name}=1 has a share of {100 * private.whole:.0f} % in all examples, of {100 * low:.0f} to "
            f"{100 * high:.0f} % in a contributor's (80 % of the contributors are within)."
        )
    wanted = report.configuration.evaluation.reidentification
    if wanted and not section.persons:
        yield "Whether two contributions are one person's is not asked: a contributor's are several people's."


def _text(value: object) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)


def sentences(report: Report) -> Iterator[str]:
    """What the table says, in words."""
    for role in ("private", "task"):
        for attribute in attributes_of(report.results, role):
            yield from _inferred(report, role, attribute)
    yield from _curve(report.curve)
    yield from _reidentified(report.reidentification)
    yield from _reconstructed(report.reconstruction)
    for attribute, value in report.co_trained_adversary.items():
        if value is None:  # the few people it is measured on have one value
            continue
        yield (
            f"The adversary that was trained with the extractor infers {attribute} at {100 * value:.1f} %: "
            "for comparison with the paper, not a leakage figure."
        )
    yield CAVEAT


def _inferred(report: Report, role: str, attribute: str) -> Iterator[str]:
    """Leakage or utility of one attribute."""
    what, most = "Leakage" if role == "private" else "Utility", report.configuration.evaluation.max_per_person
    best, raw = (strongest(report.results, attribute, kind) for kind in ("features", "raw"))
    if best is None:
        yield (
            f"{what} of {attribute}: n/a, not defined where one of its values has fewer than 10 of the people "
            "measured."
        )
        return
    by, bits = probe_name(best), number(best.usable_bits.value)
    yield f"{what} of {attribute} in %: {share(best.balanced_accuracy)} by the {by} on the features" + (
        f"; {bits} usable bits."
        if raw is None
        else f", {share(raw.balanced_accuracy)} on raw data; {bits} of {number(raw.usable_bits.value)} usable bits."
    )
    pooled = pooled_row(report.results, attribute)
    if pooled is not None:
        yield (
            f"  From up to {most} examples of a person together instead of one: "
            f"{share(pooled.per_person)} by the {probe_name(pooled)}."
        )
    for line in instead(report, attribute):
        yield f"  {line}"
    if role == "private":
        for line in (*beyond_floor(report, attribute), *beyond_floor(report, attribute, per_person=True)):
            yield f"  {line}"
        for line in (*certified(report, attribute), *below_chance(report, attribute)):
            yield f"  {line}"
        yield from _certain(best)
    yield from unequal(report, attribute)


def _certain(best: ProbeResult) -> Iterator[str]:
    """Of how many the strongest probe is certain; none where it is not defined."""
    if best.tpr_at_1_fpr.value is not None:
        rare = best.tpr_at_01_fpr
        more = "" if rare.value is None else f", at 0.1 % {share(rare)} %"
        yield (
            f"  At 1 % false positives {share(best.tpr_at_1_fpr)} % of the examples with {best.attribute}=1 are "
            f"recognised{more}."
        )


def _curve(rows: Sequence[CurvePoint]) -> Iterator[str]:
    """The strongest insider at each number of people, a line for each attribute."""
    for attribute in dict.fromkeys(row.attribute for row in rows):
        points = []
        for people in dict.fromkeys(row.people for row in rows):
            best = highest(row for row in rows if (row.people, row.attribute) == (people, attribute))
            points.append(f"{people:,}: {share(best.balanced_accuracy) if best else 'n/a'}")
        yield f"Leakage of {attribute} in % by the number of people the insider learns from: {', '.join(points)}."


def _reidentified(rows: Sequence[ReidentificationResult]) -> Iterator[str]:
    """Whether two contributions are of one person, as the features and the controls tell it."""
    whole = [row for row in rows if row.unit == "contribution" and row.roc_auc.value is not None]
    if whole:
        figures = ", ".join(f"{share(row.roc_auc)} {title_of(row.representation)}" for row in whole)
        yield f"Same person or not, of two contributions, ROC-AUC in % (chance is 50): {figures}."


def _reconstructed(figures: ReconstructionResult | None) -> Iterator[str]:
    """How near a decoder and an inversion come to the images, and whether rebuilt faces show who they are."""
    if figures is None:
        return
    blind, inversion, verification = figures.blind, figures.inversion, figures.verification
    yield (
        f"Reconstruction by a decoder: SSIM {number(figures.ssim.value)} (the mean image: "
        f"{number(blind.ssim.value)}), PSNR {number(figures.psnr.value, 1)} dB ({number(blind.psnr.value, 1)}). "
        f"{_ended(figures)}"
    )
    if inversion is not None:
        yield (
            f"Reconstruction by inversion of the extractor, {inversion.examples:,} images: SSIM "
            f"{number(inversion.ssim.value)} (the decoder: {number(inversion.decoder.ssim.value)}), PSNR "
            f"{number(inversion.psnr.value, 1)} dB ({number(inversion.decoder.psnr.value, 1)}). {_ended(inversion)}"
        )
    if verification is not None:
        yield (
            "Same person or not, of a rebuilt face and a photograph, ROC-AUC in % (chance is 50): "
            f"{share(verification.rebuilt)}; of two photographs {share(verification.raw)}."
        )


def _ended(course: Converging) -> str:
    """After how many steps a training ended, and why."""
    end = "converged after" if course.converged else "had not converged after"
    return f"It {end} {course.steps:,} steps."


def unconverged(figures: ReconstructionResult | None) -> Iterator[str]:
    """Warnings: what would have come nearer to the images with more steps."""
    trained = {} if figures is None else {"decoder": figures, "inversion": figures.inversion}
    for name, course in trained.items():
        if course is None or course.converged:
            continue
        gain = course.last_doubling
        told = "" if gain is None else f": the last doubling lowered its error by {100 * gain:.1f} %"
        yield (
            f"the {name} of images had not converged after {course.steps:,} steps{told}; raise "
            "evaluation.reconstruction_steps"
        )


def unequal(report: Report, attribute: str) -> Iterator[str]:
    """Sentences on the groups and the tenth of the people that are worst off; none where nothing is defined."""
    rows = [row for row in report.groups if row.attribute == attribute and row.group_by != attribute]
    by_device = worst_group(row for row in rows if row.group_by == "device")
    by_attribute = worst_group(row for row in rows if row.group_by != "device")
    worst = [
        f"{kind}{row.group} {share(row.balanced_accuracy)}{by_chance(row)}"
        for kind, row in (("", by_attribute), ("device ", by_device))
        if row is not None
    ]
    if worst:
        private = rows[0].role == "private"
        yield f"  {'Most exposed' if private else 'Worst served'} group: {'; '.join(worst)}."
    for row in report.worst_off:
        if row.attribute == attribute and row.expected_worst_tenth is not None:
            yield _tenth(row, row.expected_worst_tenth)


def by_chance(row: GroupResult) -> str:
    """Whether the group served worst, or exposed most, differs by more than random groups of its size."""
    if row.chance_low is None or row.chance_high is None:
        return ""
    less = row.role == "task"
    value = row.balanced_accuracy.value or 0.0
    beyond = value < row.chance_low if less else value > row.chance_high
    word = "less" if less else "more"
    return f", {'' if beyond else 'no '}{word} than chance gives ({whole_range(row.chance_low, row.chance_high)})"


def _tenth(row: WorstOffResult, expected: float) -> str:
    """The tenth of the people that are worst off, beside what chance makes of few examples."""
    bound = "at least" if row.role == "private" else "at most"
    return (
        f"  For the worst-off tenth of the people {bound} {share(row.worst_tenth)} % of their examples are "
        f"inferred correctly (mean over people: {share(row.mean)} %); if people did not differ, {bound} "
        f"{100 * expected:.1f} ({whole_range(row.chance_low or 0.0, row.chance_high or 0.0)}) %"
        + (": they differ by more than few examples make them." if row.beyond_chance else ".")
    )
