"""The backup formats, and the storage protocol below them: no Django, and no network access of its own.

FORMAT.md describes the bytes; docs/architecture.md the layout of the package and the allowed imports.

storage      a store of objects under keys: a folder, an S3 bucket (`storage`; with retries: `retrying`)
sealed       an object encrypted in frames that can be opened at any offset (`sealing`)
tenant       the customer whose keys seal an object
data key     32 random bytes for one tenant on one target; every other key is derived from it, or wrapped by it

archive      a whole backup as one sealed or plain `.tar.gz` object; beside it its small sealed manifest
             (`archive`), from which the catalogue can be rebuilt

repository   many backups of one tenant on one target, with each chunk stored once (`chunked`, as all below)
snapshot     one backup in a repository: its root names a manifest (`snapshots`)
source       the origin of a snapshot's files (`trees.source`)
manifest     the records of all entries of a snapshot, in order of their paths (`manifest`)
part         256 MiB of a file: the range that one record of the manifest describes
block        64 KiB of a file, or its header: the range that has a hash of its own in the manifest
header       the first 8 KiB of a region file: a block and a chunk of their own
in place     the way region files and databases are rewritten: some sectors of the file, not the whole file
sector       4 KiB of a file: the unit of storage for a change in place
sector map   a local file that tells a source which sectors changed; losing it costs only time (`trees.sectors`)
chunk        up to 8 MiB, stored under the hash of their content (`chunks`)
extent       a run of a file's bytes in a chunk
bundle       small files that make one chunk
pack         an object of up to 32 MiB that holds sealed chunks (`packs`)
index        the pack and place of each chunk (`index`)
parent       the earlier snapshot with which a new one is compared
export       a snapshot, or some of its paths, as an archive that is made while it is read (`exporting`)
restore      writes a snapshot, or some of its paths, into a folder, called the target (`restoring`)
tombstone    an object that marks a snapshot as deleted
mark         an object that announces a running writer or prune (`marks`)
damaged      of a copy of a chunk: it did not open, which is recorded, and no new snapshot relies on it (`index`)
condemned    of a pack: about to be deleted, and closed to new snapshots (`maintenance`)
"""
