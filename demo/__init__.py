"""`make demo` and `make serve`: the whole product on one machine, with a game world of its own."""
