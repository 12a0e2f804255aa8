"""Wiring only: environment, settings, URLs, health. Knows every app, holds no rule."""
