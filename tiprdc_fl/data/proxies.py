"""Attributes that a collector may know of its own people, and may train on: what data.proxies=null stands for."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

# What people look at in faces.
FACES = (
    "Young",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Gray_Hair",
    "Bald",
    "Bangs",
    "Wavy_Hair",
    "Wearing_Hat",
    "Pale_Skin",
    "Chubby",
    "Bushy_Eyebrows",
    "Mustache",
    "Goatee",
    "No_Beard",
    "Heavy_Makeup",
    "Wearing_Lipstick",
    "Wearing_Earrings",
    "Mouth_Slightly_Open",
)
CELEBA = (
    *FACES,
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Big_Lips",
    "Big_Nose",
    "Blurry",
    "Double_Chin",
    "High_Cheekbones",
    "Narrow_Eyes",
    "Oval_Face",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Straight_Hair",
    "Wearing_Necklace",
    "Wearing_Necktie",
)


def without_chosen(names: Sequence[str]) -> Callable[[Mapping[str, Any]], list[str]]:
    """The names without those that a configuration hides or predicts: proxies are neither private nor tasks.

    Args:
        names: of a dataset's attributes.

    Returns:
        A function of the configuration's dotted keys.
    """

    def proxies(keys: Mapping[str, Any]) -> list[str]:
        chosen = {*(keys.get("data.private") or ()), *(keys.get("data.tasks") or ())}
        return [name for name in names if name not in chosen]

    return proxies


def known(
    proxies: Sequence[str] | None, usual: Sequence[str] | None, attributes: Collection[str]
) -> list[str] | None:
    """The usual proxies without those that a dataset lacks; a list of somebody's own as it is.

    Args:
        proxies: of a configuration.
        usual: what null stands for in it.
        attributes: that the dataset has.
    """
    if proxies is None or usual is None or list(proxies) != list(usual):
        return None if proxies is None else list(proxies)
    return [name for name in proxies if name in attributes]
