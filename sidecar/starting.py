"""The error that keeps a daemon from starting."""


class StartError(Exception):
    """A mistake of the operator, or a problem of the machine: one clear line, with no secret in it."""
