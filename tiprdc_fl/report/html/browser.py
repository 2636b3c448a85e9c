"""Opening a page in the reader's browser, where there is a reader and a display."""

import contextlib
import os
import sys
import webbrowser
from pathlib import Path


def open_page(path: Path, wanted: bool) -> bool:
    """Opens a page where a reader can see it; returns whether it tried. A browser that fails to start is no error.

    Args:
        path: of the page.
        wanted: open_report of the configuration.
    """
    if not (wanted and sys.stdout.isatty() and has_display()):
        return False
    with contextlib.suppress(webbrowser.Error, OSError):
        # A text browser would take the terminal over.
        if type(webbrowser.get()) is not webbrowser.GenericBrowser:
            webbrowser.open(path.resolve().as_uri())
            return True
    return False


def has_display() -> bool:
    """Whether this machine shows windows to a reader; False in continuous integration."""
    if os.environ.get("CI"):
        return False
    screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return screen or (sys.platform == "darwin" and not os.environ.get("SSH_CONNECTION"))
