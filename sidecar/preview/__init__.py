"""Previews of restores: compare the listing of an archive with the live tree, without writing anything."""
