"""`manage.py serve` and `manage.py demo`."""
