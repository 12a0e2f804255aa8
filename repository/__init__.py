"""The formats of what is stored, and the protocol of where: no Django, no network of its own.

Bytes: FORMAT.md. How the package is laid out, and who may import what: docs/architecture.md.

storage      a place for objects under keys: a folder, an S3 bucket (`storage`; `retrying` says how often)
sealed       an object encrypted in frames that can be opened at any offset (`sealing`)
tenant       the customer whose keys seal an object
data key     32 random bytes for one tenant on one target; every other key is derived from it, or wrapped by it

archive      one sealed or plain `.tar.gz` object holding a whole backup; beside it its small sealed manifest
             (`archive`), from which the catalogue can be rebuilt

repository   many backups of one tenant on one target, each thing stored once (`chunked`, whose modules the rest names)
snapshot     one backup in a repository: its root names a manifest (`snapshots`)
source       where the files of a snapshot come from (`trees.source`)
manifest     the records of everything a snapshot holds, in order of their paths (`manifest`)
part         256 MiB of a file: what a record of the manifest speaks of
block        64 KiB of a file, or its header: what has a hash of its own in the manifest
header       the first 8 KiB of a region file: a block and a chunk of their own
in place     how region files and databases are rewritten: some sectors of the file, not the file
sector       4 KiB of a file: the least that is stored of a change in place
sector map   a local file by which a source knows which sectors changed; it may be lost at any time (`trees.sectors`)
chunk        up to 8 MiB that are stored under the hash of their content (`chunks`)
extent       a run of a file's bytes in a chunk
bundle       small files that make one chunk
pack         an object of up to 32 MiB that holds sealed chunks (`packs`)
index        where in which pack each chunk is (`index`)
parent       the snapshot that a new one is compared with
restore      a snapshot, or some paths of it, back in a folder, which is called its target here (`restoring`)
tombstone    says that a snapshot is deleted
mark         says that somebody is writing, or pruning (`marks`)
damaged      of a copy of a chunk: it did not open, which is recorded, and no new snapshot relies on it (`index`)
condemned    of a pack: about to be deleted, and used by no new snapshot (`maintenance`)
"""
