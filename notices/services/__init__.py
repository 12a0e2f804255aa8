"""Writes of notices: keyword-only, typed, named entity_verb."""
