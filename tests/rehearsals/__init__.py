"""Rehearsals: what happens over hours to a host's portal, played through with the real processes."""
