"""The palette of studies is that of the page."""

import re
from pathlib import Path

import matplotlib

from tiprdc_fl.report import drawing

STYLE = Path(drawing.__file__).parent / "html" / "templates" / "style.css"


def test_the_palette_is_that_of_the_light_page():
    light = STYLE.read_text(encoding="utf-8").partition("@media")[0]
    assert dict(re.findall(r"--(\w+): (#\w{6});", light)).items() >= drawing.LIGHT.items()


def test_a_style_ends_with_its_picture():
    before = dict(matplotlib.rcParams)
    with drawing.styled(drawing.LIGHT, text=12):
        assert matplotlib.rcParams["font.size"] == 12
        assert matplotlib.rcParams["text.color"] == drawing.LIGHT["ink"]
    assert dict(matplotlib.rcParams) == before
