"""The suite: tests of what people rely on, through the front door."""
