"""The daemon beside a game server: packs and restores its files, without keys and without access to the storage."""
