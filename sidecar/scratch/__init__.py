"""The scratch folder: files under virtual paths, some of them read while they grow."""
