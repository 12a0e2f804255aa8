"""Packs: objects of up to 32 MiB that hold sealed chunks and a directory of them."""
