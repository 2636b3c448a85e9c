"""The one error a user can cause, and how a command line ends after it."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

MISTAKE = 2
INTERRUPTED = 130  # the shell's status for a process ended by SIGINT


class InputError(Exception):
    """A user's mistake: a wrong key, value, path, file or payload.

    The message is what the user reads, so it names the invariant, what was received and the fix. The
    command line prints it without a traceback and exits with a non-zero status.
    """


def exit_status(work: Callable[[], object], interrupted: str) -> int:
    """Does the work of a command.

    Args:
        work: reads the arguments and does what they say.
        interrupted: line that is shown after an interrupt.

    Returns:
        0; MISTAKE after an InputError, which is shown in one line; INTERRUPTED after an interrupt.
    """
    try:
        work()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return INTERRUPTED
    return 0


def leave(status: int) -> NoReturn:
    """Ends the process. After an interrupt at once: Flower's threads may wait for ever for Ray's."""
    sys.stdout.flush()
    sys.stderr.flush()
    if status == INTERRUPTED:
        os._exit(status)
    sys.exit(status)
