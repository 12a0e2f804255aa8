"""Places for backups: one file a kind, each speaking `repository.storage.Storage`."""
