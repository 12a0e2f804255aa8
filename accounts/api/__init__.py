"""Who calls the REST API, and what its description says about that."""
