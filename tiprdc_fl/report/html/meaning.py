"""What the numbers do and do not show, in plain sentences."""

from collections.abc import Iterator
from typing import Any

from tiprdc_fl.report.differences import RULE, Difference, difference
from tiprdc_fl.report.html.cards import Section
from tiprdc_fl.report.html.elements import Html, bullets, details, join, tag
from tiprdc_fl.report.html.looks import names
from tiprdc_fl.report.html.plain import percent
from tiprdc_fl.report.queries import pooled_row, strongest
from tiprdc_fl.report.schema import CAVEAT
from tiprdc_fl.report.sentences import sentences, unequal

FEW = 100  # people measured, below which the page says that they are few


def meaning(report: dict[str, Any]) -> Section:
    """Two columns: what the run shows, and what nobody should read into it."""
    shown = tag("div", tag("h3", "They show"), bullets(verdicts(report)), class_="card")
    hidden = tag("div", tag("h3", "They do not show"), bullets(limits(report)), class_="card")
    everything = [line.strip() for line in sentences(report) if line != CAVEAT]
    more = details("Every figure in a sentence, as on the terminal", bullets(everything))
    rule = details("When a difference exceeds its intervals", tag("p", RULE))
    intro = "What can be said from this run, and what cannot."
    return Section(
        "meaning", "What the numbers show", intro, [_columns(shown, hidden), more, rule], wide=True
    )


def _columns(*parts: Html) -> Html:
    return tag("div", *parts, class_="cards")


def verdicts(report: dict[str, Any]) -> Iterator[Html]:
    """Each attribute against its controls, whether the intervals are exceeded, and who is worst off."""
    for role, what in {"private": "Leakage", "task": "Utility"}.items():
        for attribute in names(report, role):
            best = strongest(report["results"], attribute, "features")
            if best is None:
                line = f"{what} of {attribute}: nothing, because the people measured have one value of it."
                yield join([line])
                continue
            controls = "; ".join(_against(report, attribute, best))
            more = bullets(_more(report, attribute, role))
            yield join(
                [f"{what} of {attribute}, {percent(best)} %{': ' if controls else ''}{controls}.", more]
            )


def _more(report: dict[str, Any], attribute: str, role: str) -> Iterator[str]:
    """Beneath an attribute: what pooling gives, and who is served worst or exposed most."""
    pooled = pooled_row(report["results"], attribute) if role == "private" else None
    if pooled:
        most = report["configuration"]["evaluation"]["max_per_person"]
        yield (
            f"Whoever pools up to {most} examples of a person infers it at {percent(pooled, 'per_person')} %: that "
            "is the number to worry about."
        )
    yield from (line.strip() for line in unequal(report, attribute))


def _against(report: dict[str, Any], attribute: str, best: dict[str, Any]) -> Iterator[str]:
    """One attribute against its controls."""
    for control, named in {"random": "the untrained extractor", "raw": "raw data"}.items():
        other = strongest(report["results"], attribute, control)
        if other is not None:
            found = difference(best["balanced_accuracy"], other["balanced_accuracy"])
            yield f"against {named} {_change(found)}"


def _change(found: Difference) -> str:
    value, width = 100 * (found.value or 0.0), 100 * found.width
    if found.exceeds:
        way = "more" if value > 0 else "less"
        return f"{abs(value):.1f} points {way}, beyond the intervals (±{width:.1f})"
    return f"no difference beyond the intervals ({value:+.1f} ±{width:.1f} points)"


def limits(report: dict[str, Any]) -> Iterator[str]:
    """What the figures of this run leave open."""
    configuration, people = report["configuration"], report["people"]["holdout"]["people"]
    yield report["caveat"]
    yield (
        "What another training gives: intervals hold the choice of the people measured, not that of the training, "
        "and the strongest probe is chosen on the people it is reported on. Other seeds tell."
    )
    if people < FEW:
        yield f"Small differences: {people:,} people are measured, and intervals over so few are wide."
    if configuration["data"]["name"] == "faces":
        yield "Photographs: generated faces are drawings. Conclusions about photographs need photographs."
    if not configuration["evaluation"]["curve"]:
        yield "How leakage grows with what the adversary knows: evaluation.curve was not asked for."
    of_text = any(row["probe"] == "table2" for row in report["results"])
    if not configuration["evaluation"]["reconstruction"] and not of_text:
        yield "Whether images can be rebuilt from the features: evaluation.reconstruction was not asked for."
    if report["devices"]:
        yield (
            "Real phones: what is called modelled comes from device classes and a virtual clock, with the sources "
            "named beside them; what is called measured is this host's."
        )
    else:
        yield "Latency on phones: seconds are this host's, and no device was modelled."
    if report["federation"]["mode"] == "throughput":
        yield "What one contributor alone would take on this host: contributors shared batches."
