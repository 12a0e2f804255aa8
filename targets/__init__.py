"""Storage targets: a folder, an S3 bucket. Each implements `repository.storage.Storage`; no Django, no app."""
