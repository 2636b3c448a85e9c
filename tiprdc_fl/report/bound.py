"""How near to an image a reconstruction can come, in sentences."""

from collections.abc import Iterator

from tiprdc_fl.report.schema import ReconstructionBound, Report


def bound_lines(report: Report) -> Iterator[str]:
    """The protection's bound on reconstructions, and what it assumes; nothing where it has none."""
    bound = report.reconstruction_bound
    if bound is None:
        return
    yield (
        "Reconstruction of one image from its components alone, by their Fisher information at "
        f"{bound.examples:,} of the collector's images; root mean square error in grey levels of 255: the mean "
        f"image, which needs no component, errs by {bound.mean_image:.1f}."
    )
    yield (
        "An attacker who knows mean and covariance of images, and no more, errs by at least about "
        f"{_down(bound.informed)} (van Trees, as if images were normal). One who knows more may come nearer: "
        "this is an estimate, no guarantee."
    )
    yield _unbiased(bound)


def _unbiased(bound: ReconstructionBound) -> str:
    """The bound for unbiased reconstructions, and whether it says anything."""
    if bound.unbiased is None:
        return "No reconstruction is unbiased: at these images no component depends on the image."
    text = f"An unbiased reconstruction errs by at least {_down(bound.unbiased)} (Maeng et al. 2023)"
    if bound.unbiased < bound.mean_image:
        return f"{text}; a biased one may come nearer."
    return (
        f"{text}, more than the mean image: to be unbiased is no sensible demand here, and this says nothing."
    )


def _down(value: float) -> str:
    """A lower bound with one decimal, never above itself."""
    return f"{int(10 * value) / 10:,.1f}"
