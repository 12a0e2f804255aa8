"""Tests of sign-in, of account pages, and of the elements that every signed-in page has."""
