"""Writes of orders: keyword-only, typed, named entity_verb."""
