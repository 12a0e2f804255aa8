"""Restores onto a data root: members are read, compared with the live data, staged beside it, and exchanged with it.

`archive` is the way in, `engine` the order of the steps; `recovery` and `outcome` are for what was begun before, and
`extracting` has one restore at a time. `workspace` is what a restore keeps of itself on the disk.
"""
