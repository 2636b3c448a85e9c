"""What the paper reports: Li et al., "TIPRDC", KDD 2020 (arXiv:2005.11480), Section 5, with sources.

Every figure is plain accuracy in %. It does not say what guessing gives: of CelebA's first 20,000 rows 95.8 % show
no gray hair and 78.0 % show somebody young, so several figures lie below the majority class. The studies report
balanced accuracy, for which 50 % is chance: compare shapes, not digits. Of its other figures the paper prints
curves and bars without numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One figure of the paper.

    Attributes:
        source: figure or table.
        dataset: what it was measured on.
        attribute: what was inferred, by CelebA's name where it has one (the paper's gender is Male).
        percent: accuracy in %; for a difference, percentage points.
        private: the attributes that were hidden.
        budget: the paper's lambda.
        detail: adversary (Table 4) or training dataset (Table 5).
    """

    source: str
    dataset: str
    attribute: str
    percent: float
    private: tuple[str, ...]
    budget: float | None
    detail: str = ""

    @property
    def share(self) -> float:
        """The figure as a share of 1, as the studies' tables have theirs."""
        return round(self.percent / 100, 6)

    @property
    def sentence(self) -> str:
        """The figure in words."""
        budget = "" if self.budget is None else f" at budget {self.budget:g}"
        detail = f", {self.detail}" if self.detail else ""
        hidden = " and ".join(self.private)
        where = f"{self.dataset}, {self.source}{detail}"
        return f"{self.attribute} {self.percent:.2f}{budget} hiding {hidden} ({where})"


_YOUNG, _MALE, _BOTH = ("Young",), ("Male",), ("Male", "Young")

# Section 5.3, first text paragraph: the only numbers printed for Figure 4.
FIGURE_4 = (
    Published("Figure 4(h)", "LFW", "Asian", 55.31, ("Asian",), 0.9),
    Published("Figure 4(h)", "LFW", "Eyeglasses", 86.88, ("Asian",), 0.9),
)
# Section 5.3, on the budget. The ends of the curves.
FIGURE_6 = (
    Published("Figure 6(a)", "CelebA", "Gray_Hair", 84.36, _YOUNG, 1),
    Published("Figure 6(a)", "CelebA", "Gray_Hair", 91.52, _YOUNG, 0),
    Published("Figure 6(a)", "CelebA", "Young", 65.63, _YOUNG, 1),
    Published("Figure 6(a)", "CelebA", "Young", 81.85, _YOUNG, 0),
)
# Section 5.3, on several attributes. The text says 6(c) for 89.33, which by its meaning is 6(b).
FIGURE_6_MULTI = (
    Published("Figure 6(a)", "CelebA", "Smiling", 90.13, _YOUNG, 0.9),
    Published("Figure 6(b)", "CelebA", "Smiling", 89.33, _MALE, 0.9),
    Published("Figure 6(c)", "CelebA", "Smiling", 88.16, _BOTH, 0.9),
    Published("Figure 6(a)", "CelebA", "Young", 65.77, _YOUNG, 0.9),
    Published("Figure 6(c)", "CelebA", "Young", 64.85, _BOTH, 0.9),
)
# Section 5.4. Of race it prints the difference only, 21.57 points more at budget 0 than at 1.
FIGURE_7 = (
    Published("Figure 7", "DIAL", "Mentioned", 67.71, ("Race",), 1),
    Published("Figure 7", "DIAL", "Mentioned", 76.87, ("Race",), 0),
)
RACE_GAIN = Published("Figure 7", "DIAL", "Race", 21.57, ("Race",), None, "points gained from 1 to 0")
# Table 4. "table1" is its "default architecture in Table 1", the one that was trained with the extractor;
# V-CL#16 has the same layers, so the two differ by who trained them, or by chance.
TABLE_4 = (
    Published("Table 4", "CelebA", "Male", 59.02, _MALE, 0.9, "table1"),
    Published("Table 4", "CelebA", "Male", 59.83, _MALE, 0.9, "vcl16"),
    Published("Table 4", "CelebA", "Male", 60.77, _MALE, 0.9, "vcl19"),
    Published("Table 4", "CelebA", "Male", 61.05, _MALE, 0.9, "rescl"),
)
# Table 5; ``detail`` is the dataset the extractor was trained on, ``dataset`` the one it was tested on.
TABLE_5 = (
    Published("Table 5", "CelebA", "Male", 59.73, _MALE, 0.9, "LFW"),
    Published("Table 5", "CelebA", "Black_Hair", 87.15, _MALE, 0.9, "LFW"),
    Published("Table 5", "LFW", "Male", 57.31, _MALE, 0.9, "LFW"),
    Published("Table 5", "LFW", "Black_Hair", 88.12, _MALE, 0.9, "LFW"),
    Published("Table 5", "LFW", "Male", 56.87, _MALE, 0.9, "CelebA"),
    Published("Table 5", "LFW", "Black_Hair", 89.27, _MALE, 0.9, "CelebA"),
    Published("Table 5", "CelebA", "Male", 58.82, _MALE, 0.9, "CelebA"),
    Published("Table 5", "CelebA", "Black_Hair", 88.98, _MALE, 0.9, "CelebA"),
)


def published(figures: tuple[Published, ...], attribute: str, **wanted: object) -> float | None:
    """The share that the paper reports, or None.

    Args:
        figures: where to look, such as TABLE_4; the first that fits counts.
        attribute: its name in any dataset's spelling: Black Hair is Black_Hair.
        wanted: further fields of Published and their values.
    """
    return next(_fitting(figures, attribute, wanted), None)


def _fitting(figures: tuple[Published, ...], attribute: str, wanted: dict[str, object]) -> Iterator[float]:
    for figure in figures:
        if same_name(figure.attribute, attribute) and all(getattr(figure, k) == v for k, v in wanted.items()):
            yield figure.share


def same_name(a: str, b: str) -> bool:
    """Whether two datasets' spellings mean one attribute."""
    return _plain(a) == _plain(b)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
