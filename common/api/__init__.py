"""The HTTP edge every app shares: the shape of errors and pages, throttles, scopes, strict input, ids in addresses."""
