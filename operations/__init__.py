"""Long work of any kind: rows, leases, progress, cancellation, supervision, chores. This app names no kind."""
