"""What can go wrong with a game server; none of it fails a backup."""


class GameError(Exception):
    """The game did not do what it was told, or not surely; the message holds no secret."""


class GameUnreachable(GameError):
    """Nobody listens: the game was told nothing."""
