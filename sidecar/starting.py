"""Why a daemon does not start."""


class StartError(Exception):
    """A mistake of the operator's, or of the machine's: one clear line, with no secret in it."""
