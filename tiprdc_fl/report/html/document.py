"""report.html: one file without scripts and without the network, from a run's report.

The page is templates/report.html with a template for each section; a module of the same name draws the section's
pictures.
"""

import base64
from itertools import count
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tiprdc_fl.config.keys import show
from tiprdc_fl.report.beside import instead
from tiprdc_fl.report.bound import bound_lines
from tiprdc_fl.report.certificate import certified
from tiprdc_fl.report.convergence import late_probes
from tiprdc_fl.report.differences import RULE, in_words
from tiprdc_fl.report.floor import below_chance, beyond_floor
from tiprdc_fl.report.html import curves, groups, inference, latency, participation, partition, run, training
from tiprdc_fl.report.html.attributes import attributes
from tiprdc_fl.report.html.charts import Chart
from tiprdc_fl.report.html.reconstruction import Pictures
from tiprdc_fl.report.html.svg import draw
from tiprdc_fl.report.queries import beside
from tiprdc_fl.report.schema import CAVEAT, Report
from tiprdc_fl.report.sentences import partition_lines, sentences, unconverged, unequal
from tiprdc_fl.report.settings import changed, flat
from tiprdc_fl.report.words import SOURCES, duration, points, probe_name, readable, share, size, title_of


def with_commas(value: float | None, digits: int = 0) -> str:
    """A number with commas between thousands; "n/a" for None."""
    return "n/a" if value is None else f"{value:,.{digits}f}"


def _shown(value: Any) -> Any:
    """Text of a report without characters that hide or turn their neighbours; escaping follows."""
    if value is None:
        return "n/a"
    return value if isinstance(value, Markup) else readable(value)


TEMPLATES = Environment(
    loader=PackageLoader("tiprdc_fl.report.html"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {
    "base64": lambda data: base64.b64encode(data).decode(),
    "duration": duration,
    "in_words": in_words,
    "number": with_commas,
    "points": points,
    "probe": probe_name,
    "share": share,
    "show": show,
    "size": size,
}
MODULES = (curves, groups, inference, latency, participation, partition, run, training)
TEMPLATES.globals |= {module.__name__.rpartition(".")[2]: module for module in MODULES}
TEMPLATES.globals |= {
    "below_chance": below_chance,
    "bound_lines": bound_lines,
    "beyond_floor": beyond_floor,
    "certified": certified,
    "caveat": CAVEAT,
    "changed": changed,
    "flat": flat,
    "partition_lines": partition_lines,
    "rule": RULE,
    "sentences": sentences,
    "sources": SOURCES,
    "instead": instead,
    "title_of": title_of,
    "others": beside,
    "late_probes": late_probes,
    "unconverged": unconverged,
    "unequal": unequal,
}


def page(report: Report, pictures: Pictures | None = None) -> str:
    """The page of a run.

    Args:
        report: of the run.
        pictures: of reconstructed faces, where there are any.
    """
    return render("report.html", report=report, pictures=pictures, attributes=attributes(report))


def render(template: str, **values: Any) -> str:
    """A page from its template, which puts charts and their titles in with ``draw``."""
    numbers = count()

    def drawn(chart: Chart, title: str) -> Markup:
        return draw(chart.paint, chart.height, f"picture{next(numbers)}", title)

    return TEMPLATES.get_template(template).render(draw=drawn, **values)
