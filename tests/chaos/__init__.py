"""Chaos: seeded runs of the real product, with a failure at one call, against a model of plain bytes.

`python -m tests.chaos SEED RUNS` plays runs; `make chaos SEED=n` replays one. The worker is a forked process that runs
`operation_answer`, the sidecar a forked process that runs the daemon's own `serve`; all modules are imported before the
fork, so that a run takes a few seconds. The parent is portal, supervisor and judge. If it is root, the game and its
sidecar run as an ordinary user, so that the parent can take files from them, and it mounts in its own namespace.
"""
