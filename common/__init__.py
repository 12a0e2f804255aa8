"""Plumbing that knows no app: errors, states, locks, the queue, keys, idempotency, private files, the API's errors."""
