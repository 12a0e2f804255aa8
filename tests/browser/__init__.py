"""The pages in a real browser, against the real processes: Chromium, web server, worker, sidecar, storage."""
