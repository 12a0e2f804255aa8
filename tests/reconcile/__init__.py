"""The reconciler: its findings and repairs, and the rows that it leaves alone."""
