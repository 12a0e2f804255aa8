"""Authentication of the REST API, and its entry in the OpenAPI description."""
