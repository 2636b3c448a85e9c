"""The one error a user can cause."""


class InputError(Exception):
    """A user's mistake: a wrong key, value, path, file or payload.

    The message is what the user reads, so it names the invariant, what was received and the fix. The
    command line prints it without a traceback and exits with a non-zero status.
    """
