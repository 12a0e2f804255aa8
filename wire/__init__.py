"""The wire between a worker and the sidecar beside a game server: contract, generated code, words."""
