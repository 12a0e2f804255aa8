"""Chaos: seeded runs of the real product with something failing at one call, against a model of plain bytes.

`python -m tests.chaos SEED RUNS` plays; `make chaos SEED=n` plays one again. The worker is a forked process that runs
`operation_answer`, the sidecar a forked process that runs the daemon's own `serve`; both begin with everything
imported, so that a run takes a second. The parent is portal, supervisor and judge.
"""
