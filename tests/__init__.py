"""The test suite: it tests the behaviour that users rely on, through the public interfaces."""
