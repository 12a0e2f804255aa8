"""An independent reader of repositories, written from repository/FORMAT.md alone. It imports nothing of the product.

`Repository` lists snapshots and restores one; every hash is verified. Any deviation from that page raises `Damaged`, or
an error of the library that noticed it first.
"""

import contextlib
import hashlib
import io
import json
import os
import struct
from itertools import groupby
from pathlib import Path

import msgpack
import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FRAME, BLOCK, PART, SEALED = 1 << 20, 1 << 16, 1 << 28, b"SVPTSEAL\x01\x01\0\0\0\x10\0\0"
FOLDER, FILE, SYMLINK, HARD_LINK, FILE_PART, SKIPPED = range(6)


class Damaged(Exception):
    """The stored bytes do not follow the format."""


def need(true, what):
    if not true:
        raise Damaged(what)


def split(content, size):
    return [content[at : at + size] for at in range(0, len(content), size)]


def unseal(sealed, key, context):
    """The plain bytes of one sealed object."""
    header, frames = sealed[:72], split(sealed[72:], FRAME + 16)
    need(header[:16] == SEALED and header[64:] == hashlib.sha256(header[:64]).digest()[:8], "header")
    salt, check, last = header[16:48], header[48:64], len(frames) - 1
    need(HKDF(SHA256(), 16, salt, b"savepoint/sealed/1/key-check\0").derive(key) == check, "another key")
    need(frames and (not last or len(frames[-1]) > 16), "length")
    cipher = aead.AESGCM(HKDF(SHA256(), 32, salt, b"savepoint/sealed/1/frames\0" + context).derive(key))
    nonces = [number.to_bytes(11, "big") + bytes([number == last]) for number in range(len(frames))]
    return b"".join(cipher.decrypt(*pair, header + context) for pair in zip(nonces, frames, strict=True))


def hchacha20(key, nonce):
    """HChaCha20 from a block of ChaCha20's key stream: subtract the initial state that ChaCha20 adds at its end."""
    stream = Cipher(algorithms.ChaCha20(key, nonce), mode=None).encryptor().update(bytes(64))
    starts = struct.unpack("<8I", b"expand 32-byte k" + nonce)
    pairs = zip(struct.unpack("<4I32x4I", stream), starts, strict=True)
    return struct.pack("<8I", *((word - start) % (1 << 32) for word, start in pairs))


def open_chunk(suite, key, stored, associated):
    if suite == 1:
        return aead.AESGCM(key).decrypt(stored[:12], stored[12:], associated)
    return aead.ChaCha20Poly1305(hchacha20(key, stored[:16])).decrypt(bytes(4) + stored[16:24], stored[24:], associated)


class Repository:
    def __init__(self, folder, tenant, repository, data_key):
        self.folder = Path(folder, "repositories", str(tenant), str(repository))
        self.tenant, self.repository, self.places = tenant.bytes, repository.bytes, {}
        said = {}
        for key in self.folder.glob("keys/*"):
            with contextlib.suppress(Damaged):  # sealed with another data key during a rotation
                said = json.loads(self.object(f"keys/{key.name}", data_key))
        need(said, "no key object opens")
        self.suite, key = said["suite"], bytes.fromhex(said["key"])
        infos = (b"savepoint/repository/1/%b\0" % name for name in (b"identity", b"chunks", b"objects"))
        keys = (HKDF(SHA256(), 32, self.repository, info).derive(key) for info in infos)
        self.identity, self.chunk_key, self.object_key = keys
        for index in sorted(self.folder.glob("index/*")):
            self.read_index(self.object(f"index/{index.name}"))

    def object(self, key, wrapping=None, sealed=None):
        """The content of a sealed object: that of a key, or of bytes that lie in the pack of that key."""
        kind = "repository-" + key.split("/")[0].removesuffix("s")
        context = b"".join(struct.pack(">H", len(text)) + text.encode() for text in (kind, key))
        sealed = sealed or (self.folder / key).read_bytes()
        return unseal(sealed, wrapping or self.object_key, self.tenant + self.repository + context)

    def read_index(self, plain):
        records = 4 + 24 * int.from_bytes(plain[:4], "big")
        packs = [pack.hex() for pack, _size, _chunks in struct.iter_unpack(">16sII", plain[4:records])]
        for name, kind, compression, pack, *place in struct.iter_unpack(">32sBBIIII", plain[records:]):
            self.places.setdefault((kind, name), []).append((packs[pack], compression, *place))

    def directory(self, pack):
        """The chunks of a pack by its own directory; the index can be rebuilt from these."""
        key = f"packs/{pack[:2]}/{pack}"
        content = (self.folder / key).read_bytes()
        need(content[:16] == b"SVPTPACK\x01" + bytes([self.suite]) + bytes(6), "header of the pack")
        need(content[-12:] == b"\0\0\0\0SVPTPEND", "footer of the pack")
        sealed = content[-16 - int.from_bytes(content[-16:-12], "big") : -16]
        return list(struct.iter_unpack(">32sBBIII", self.object(key, sealed=sealed)))

    def chunk(self, kind, name):
        """The plain bytes of a chunk from any pack that has it; a copy that does not open is skipped."""
        for pack, compression, offset, length, size in self.places.get((kind, name), ()):
            path = self.folder / "packs" / pack[:2] / pack
            with contextlib.suppress(FileNotFoundError, InvalidTag, Damaged), path.open("rb") as packed:
                return self.plain_chunk(kind, name, compression, size, os.pread(packed.fileno(), length, offset))
        raise Damaged("no pack holds the chunk whole")

    def plain_chunk(self, kind, name, compression, size, stored):
        key = blake3(name + bytes([self.suite, compression]), key=self.chunk_key).digest()
        traits = bytes([kind, self.suite, compression]) + name + struct.pack(">I", size)
        plain = open_chunk(self.suite, key, stored, b"savepoint/chunk/1\0" + self.tenant + self.repository + traits)
        if compression:
            plain = zstandard.ZstdDecompressor().stream_reader(plain).read(size + 1)
        hashes = b"".join(blake3(block).digest() for block in split(plain, BLOCK))
        need(len(plain) == size and blake3(bytes([kind]) + hashes, key=self.identity).digest() == name, "chunk")
        return plain

    def snapshots(self):
        """The roots by id, without deleted ones."""
        deleted = {path.name for path in self.folder.glob("tombstones/*") if self.object(f"tombstones/{path.name}")}
        names = {path.name for path in self.folder.glob("snapshots/*")}
        return {name: self.snapshot(name) for name in names - deleted}

    def snapshot(self, name):
        root = msgpack.unpackb(self.object(f"snapshots/{name}"))
        need(root["version"] == 1 and root["snapshot"].hex() == name, "snapshot")
        return root

    def damaged(self):
        """The recorded damaged copies: pack and chunk."""
        records = [msgpack.unpackb(self.object(f"damaged/{path.name}")) for path in self.folder.glob("damaged/*")]
        return {(copy[:16].hex(), copy[16:]) for record in records for copy in split(record["copies"], 48)}

    def records(self, root):
        manifest = b"".join(self.chunk(2, name) for name in split(root["chunks"], 32))
        need(blake3(manifest).digest() == root["hash"], "manifest")
        wide = lambda _, number: int.from_bytes(number, "big", signed=True)  # noqa: E731
        return msgpack.Unpacker(io.BytesIO(manifest), strict_map_key=False, ext_hook=wide)

    def restore(self, name, target):
        """Restore the snapshot into an empty or missing folder. A file and its parts have the same path."""
        kinds, metas, last = {}, {}, []
        for path, ((kind, _, *fields), *parts) in groupby(self.records(self.snapshot(name)), lambda record: record[1]):
            names, place = path.split(b"/"), Path(target, os.fsdecode(path))
            need(not path or not ({b"", b".", b".."} & set(names) or b"\0" in path), "path")
            need(last < names and (not path or kinds.get(b"/".join(names[:-1])) == FOLDER), "order")
            need(kind in ({FILE} if parts else {FOLDER, FILE, SYMLINK, HARD_LINK, SKIPPED}), "kind of record")
            kinds[path], last = kind, names
            if kind == FOLDER:
                place.mkdir(exist_ok=not path)
            elif kind == FILE:
                self.restore_file(place, *fields[1:4], parts)
            elif kind == SYMLINK:
                place.symlink_to(os.fsdecode(fields[1]))
            elif kind == HARD_LINK:
                need(kinds.get(fields[0]) == FILE, "link")
                place.hardlink_to(Path(target, os.fsdecode(fields[0])))
            if kind in {FOLDER, FILE, SYMLINK}:
                metas[place] = fields[0]
        attributes(metas)  # those of a folder after those of its content

    def restore_file(self, place, size, header, content, others):
        """Write the parts of a file; the first is in the file's own record."""
        need(len(others) == max(0, size - header - 1) // PART, "number of parts")
        hashes = blake3(struct.pack(">Q", size))
        with place.open("xb+") as made:
            made.truncate(size)
            for number, part in enumerate([(FILE_PART, None, 0, content), *others]):
                start, stop = number and header + number * PART, min(header + (number + 1) * PART, size)
                need((part[0], part[2]) == (FILE_PART, number), "part")
                hashes.update(b"".join(self.restore_part(made, start, stop, header, *part[3][:3])))
                need(part[3][3] == (hashes.digest() if stop == size else None), "hash of the file")

    def restore_part(self, made, start, stop, header, ids, extents, blocks):
        """Write the data outside holes, then read the part back; returns each block's hash. A header has number -1."""
        ids, known, at, touched = split(ids, 32), split(blocks, 32), start, set()
        for size, number, offset in split(extents, 3):
            if number != -1:
                made.seek(at)
                need(made.write(self.chunk(1, ids[number])[offset : offset + size]) == size, "extent")
                touched.update(range((at - header) // BLOCK, (at + size - 1 - header) // BLOCK + 1))
            at += size
        need(at == stop, "extents")
        made.seek(start)
        for number in range((start - header) // BLOCK, (stop - 1 - header) // BLOCK + 1):
            block = blake3(made.read(min(header + (number + 1) * BLOCK, stop) - made.tell())).digest()
            need(number not in touched or (known and known.pop(0) == block), "block")
            yield block
        need(not known, "blocks")


def attributes(metas):
    for place, (mode, uid, gid, mtime, _ctime, _inode, xattrs) in reversed(metas.items()):
        if os.geteuid() == 0:
            os.chown(place, uid, gid, follow_symlinks=False)
        for name, content in (xattrs or {}).items():
            os.setxattr(place, name, content, follow_symlinks=False)
        if not place.is_symlink():  # a link has no mode of its own
            place.chmod(mode)
        os.utime(place, ns=(mtime, mtime), follow_symlinks=False)
