"""The REST API through the front door: requests in, answers out."""
