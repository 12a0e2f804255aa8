"""The archives that people get: `.tar.gz`, `.tar.zst` and `.zip`, written as streams. Knows no storage, and no Django.

tar_format   the layout of a tar archive's members
deflate      compressed data of gzip and zip, in parts that can be made in any order
gzip_stream  a gzip member, in parts
zstd_stream  Zstandard frames, one for each block, and
zstd_frames  their reading
zip_format   the layout of a zip archive
compression  the streams of both compressions, by format
tar_stream   a whole tar archive in either compression, and
zip_stream   a whole zip archive; both can begin again at a restart point
points       the restart points of a complete archive, with its size and hash
passes       a first complete pass over an archive, and others from any offset on
formats      the formats
edition      what their bytes depend on
"""
