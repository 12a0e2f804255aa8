"""Writes of provisions: keyword-only, typed, named entity_verb."""
