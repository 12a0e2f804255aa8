"""TLS identity of a sidecar: its key, its certificate, and the portal's authorities, which sign workers' too."""
