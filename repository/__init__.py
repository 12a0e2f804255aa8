"""The formats of what is stored, and the protocol of where: no Django, no network of its own.

storage     a place for objects under keys: a folder, an S3 bucket (`repository.storage`)
sealed      an object encrypted in frames that can be opened at any offset (`repository.sealed`)
archive     one sealed or plain `.tar.gz` object holding a whole backup
manifest    of an archive: the small sealed record beside it, from which the catalogue can be rebuilt
            (`repository.archive_manifest`)
tenant      the customer whose keys seal an object
data key    32 random bytes for one tenant on one target; every other key is derived from it
"""
