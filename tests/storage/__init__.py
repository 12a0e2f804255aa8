"""What every place for backups must do, and what only a folder or only a bucket can get wrong."""
