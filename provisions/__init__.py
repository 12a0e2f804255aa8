"""Game servers and the sidecars beside them."""
