"""Places for objects: a folder, an S3 bucket. Each speaks `repository.storage.Storage`; no Django, no app."""
