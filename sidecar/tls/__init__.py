"""How a sidecar proves who it is, and learns whom to believe: its key, its certificate, the portal's authorities."""
