"""Writes of backups: keyword-only, typed, named entity_verb."""
