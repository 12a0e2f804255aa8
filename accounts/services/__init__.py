"""Writes of accounts: keyword-only, typed, named entity_verb."""
