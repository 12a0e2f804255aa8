"""Previews of restores: the listing of an archive beside the live tree, without writing anything."""
