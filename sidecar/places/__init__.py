"""The places of a data root: mounted folders and folders behind links, which a rename from the root cannot reach."""
