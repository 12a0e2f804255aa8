"""Long work of any kind: rows, leases, progress, cancellation, supervision, chores. It knows no kind by name."""
