"""Wiring only: environment, settings, addresses, health. Knows every app, holds no rule."""
