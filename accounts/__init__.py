"""Customers (the tenants), users, API tokens, the audit trail."""
