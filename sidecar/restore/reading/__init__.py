"""The members that a restore is made of, and the formats that they are read from."""
