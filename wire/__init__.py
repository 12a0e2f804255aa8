"""The wire between a worker and a sidecar: contract, generated code, listings, enums and error codes."""
