"""Looks for what must hold and does not, says so, and repairs what can be repaired without a doubt."""
