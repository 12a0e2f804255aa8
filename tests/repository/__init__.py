"""The formats: sealed objects and manifests."""
