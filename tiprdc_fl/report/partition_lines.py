"""The partition in words: whose examples contributors have, how many, how far their labels are from everybody's."""

from collections.abc import Iterator
from typing import Any

WHOSE = {
    "natural": "a contributor is a person",
    "iid": "everybody's examples, as many for each",
    "dirichlet": "everybody's examples, classes by Dirichlet shares",
    "quantity": "everybody's examples, numbers by a law",
    "pathological": "everybody's examples, a few classes each",
    "feature": "a contributor is a person with a camera, or a way of writing, of its own",
}


def partition_lines(report: dict[str, Any]) -> Iterator[str]:
    """What the report's partition is like, in sentences."""
    section = report["partition"]
    sizes, settings = section["examples_per_contributor"], section["settings"]
    given = ", ".join(f"{key}={_text(value)}" for key, value in settings.items())
    yield f"{section['name']}: {WHOSE[section['name']]}" + (f" ({given})." if given else ".")
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
    if wanted and section["name"] not in ("natural", "feature"):
        yield "Whether two contributions are one person's is not asked: a contributor's are several people's."


def _text(value: Any) -> str:
    return f"[{','.join(value)}]" if isinstance(value, list) else str(value)
