"""Chromium for the page's tests, and what it finds out about a page."""

import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Runs within the page, with everything that is folded opened. Colours are looked at as the reader has them: of a
# text, and of the nearest ground behind it that is not transparent.
INSPECT = """() => {
  document.querySelectorAll('details').forEach(one => one.open = true);
  const number = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = number(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (element, colour) => {
    const pair = [light(number(colour)), light(ground(element))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  };
  const box = element => {
    const {left, right, top, bottom, width, height} = element.getBoundingClientRect();
    return {left, right, top, bottom, width, height};
  };
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim()) continue;
    const style = getComputedStyle(element), within = element.closest('svg');
    const scale = within ? within.getBoundingClientRect().width / within.viewBox.baseVal.width : 1;
    texts.push({
      text: walker.currentNode.data.trim(),
      size: parseFloat(style.fontSize) * scale,
      contrast: contrast(element, within ? style.fill : style.color),
      drawn: Boolean(within),
      box: box(element),
      card: within ? box(element.closest('.card')) : null,
    });
  }
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
  const crowded = [...document.querySelectorAll('svg.plot')].flatMap(plot => {
    const words = [...plot.querySelectorAll('text')];
    return words.flatMap((one, k) => words.slice(k + 1).filter(other => over(box(one), box(other)))
      .map(other => `${one.textContent} | ${other.textContent}`));
  });
  return {
    crowded,
    width: document.documentElement.scrollWidth,
    plots: [...document.querySelectorAll('svg.plot, .faces img')].map(box),
    marks: [...document.querySelectorAll('svg.plot')].map(one => one.querySelectorAll('path, use').length),
    broken: [...document.images].filter(one => !one.naturalWidth).length,
    scripts: document.scripts.length,
    texts,
  };
}"""


def chromium() -> str | None:
    """Path of a Chromium; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def visit(browser, path: Path, width: int, height: int, scheme: str) -> tuple[dict, list[str]]:
    """What a page looks like in a window of that size, and everything that went wrong in it."""
    wrong: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    try:
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: _note(request.url, path, wrong))
        page.goto(path.as_uri())
        return page.evaluate(INSPECT), wrong
    finally:
        context.close()


def _note(url: str, path: Path, wrong: list[str]) -> None:
    """A page may ask for itself, and for pictures that it holds."""
    if url != path.as_uri() and not url.startswith("data:"):
        wrong.append(f"asked for {url}")
