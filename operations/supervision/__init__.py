"""The supervisor of the workers: it checks leases, enqueues lost tasks again, replaces a frozen cluster, and drains."""
