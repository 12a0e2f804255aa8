"""The reconciler: what it finds, what it repairs, and what it leaves alone."""
