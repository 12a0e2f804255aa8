"""Where bytes are: targets, keys, stored objects, and how they are opened."""
