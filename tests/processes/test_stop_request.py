"""A request to stop may come at any moment, even while another one is being handled."""

from __future__ import annotations

import signal
import subprocess
import sys

from demo.processes import ROOT

WAITS = """
import signal, sys
from demo.keeper import StopRequest

def moments(then):
    'Wait for a request, and call `then` with the number of each step of it.'
    steps = 0
    def step(frame, event, argument):
        nonlocal steps
        steps += 1
        then(steps)
        return step
    stop = StopRequest()
    sys.settrace(step)
    stop.wait(0.01)
    sys.settrace(None)
    return steps, stop.wait(0)

def struck(at):
    return lambda step: signal.raise_signal(signal.SIGTERM) if step == at else None

total, made = moments(lambda step: None)
assert total > 3 and not made, total
for at in range(1, total):
    assert moments(struck(at))[1], at
print("every moment", flush=True)
stop = StopRequest()
print("waiting", flush=True)
while not stop.wait(0.001):
    pass
sys.stdin.read()
"""


def test_signal_at_any_moment_is_a_request_and_locks_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "every moment\n"
        assert process.stdout.readline() == "waiting\n"
        for _ in range(300):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == 0
    finally:
        process.kill()
