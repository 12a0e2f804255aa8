"""Errors of the game server; none of them fails a backup."""


class GameError(Exception):
    """The game did not obey, or its answer is uncertain; the message holds no secret."""


class GameUnreachable(GameError):
    """No server listens, so the game received no command."""
