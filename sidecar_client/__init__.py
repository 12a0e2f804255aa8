"""The portal's client of the sidecar beside a game server."""
