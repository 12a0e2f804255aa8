"""The daemon beside a game server: packs its files and brings them back, holding no keys and no storage access."""
