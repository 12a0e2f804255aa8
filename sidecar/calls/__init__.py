"""Calls of workers: which may begin, how they end, and the jobs that outlive them."""
