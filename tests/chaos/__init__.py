"""Chaos: seeded runs of the real product with something failing at one call, against a model of plain bytes.

`python -m tests.chaos SEED RUNS` plays; `make chaos SEED=n` plays one again. The worker is a forked process that runs
`operation_answer`, the sidecar a forked process that runs the daemon's own `serve`; both begin with everything
imported, so that a run takes a few seconds. The parent is portal, supervisor and judge. Where it is root, the game and
its sidecar are an ordinary user's, so that it can take files from them, and it mounts in a namespace of its own.
"""
