"""The reconciler: it checks the invariants, reports violations, and repairs those that leave no doubt."""
