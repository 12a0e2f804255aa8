"""Plumbing that knows no app: errors, states, locks, the queue, keys, idempotency, the API shape of errors."""
