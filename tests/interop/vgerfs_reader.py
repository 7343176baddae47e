#!/usr/bin/python3
"""Independent reader of vgerfs repositories, written from docs/FORMAT.md alone (section numbers below).

    vgerfs_reader.py REPOSITORY PROTO_DIR [list | restore SNAPSHOT_ID TARGET]

Passphrase from the environment (VGERFS_PASSPHRASE) or key file (VGERFS_KEY_FILE). PROTO_DIR holds the output of
`protoc --python_out`. Checks everything that a reader must: names, commitments, tags, signatures, chunk hashes.
"""
import hashlib
import hmac
import os
import stat
import struct
import sys

import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from nacl.public import PrivateKey, SealedBox
from nacl.pwhash import argon2id

BLOCK, RECORD, SNAPSHOT, LEASE, SLOT_INFO = 1, 2, 3, 4, 5
DATA, TREE, EXTENTS, BLOB = 1, 2, 3, 4
ROLE_FULL = 1


class Corrupt(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Corrupt(what)


def mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def hkdf(ikm, salt, info):  # 3.2
    prk = mac(salt, ikm)
    first = mac(prk, info, b"\x01")
    return first, mac(prk, first, info, b"\x02")


def verify(public_key, signature, message, what):
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        raise Corrupt(what + ": bad signature") from None


class Repository:
    def __init__(self, path, proto_dir):
        sys.path.insert(0, proto_dir)
        from format import config_pb2, index_pb2, keys_pb2, snapshot_pb2, tree_pb2
        self.path, self.index_pb2, self.snapshot_pb2, self.tree_pb2, self.keys_pb2 = (
            path, index_pb2, snapshot_pb2, tree_pb2, keys_pb2)
        raw = self.file("config")  # 4
        magic, version, zero, length = struct.unpack_from("<8sHHI", raw)
        need(magic == b"VGERCONF" and zero == 0 and len(raw) == 16 + length + 64, "config")
        need(version == 1, "newer format")
        self.config = config_pb2.Config.FromString(raw[16:16 + length])
        self.id = self.config.repository_id
        self.bundle = self.open_slots()
        need(self.bundle.repository_id == self.id, "bundle of another repository")
        need(self.bundle.root_public_key == self.config.root_public_key, "bundle of another root")
        verify(self.bundle.root_public_key, raw[16 + length:], b"vgerfs/1 config\0" + raw[:16 + length], "config")
        self.chunk_key = mac(self.bundle.id_key, b"vgerfs/1 chunk id")
        # An ingest key has none: it reads the index, and no data.
        self.box = SealedBox(PrivateKey(self.bundle.data_secret_key)) if self.bundle.data_secret_key else None
        self.data_keys, self.chunks, self.removed, self.blocks = {}, {}, set(), {}
        self.read_index()

    def file(self, name):
        with open(os.path.join(self.path, name), "rb") as handle:
            return handle.read()

    def objects(self, kind):
        for name in sorted(os.listdir(os.path.join(self.path, kind))):
            if len(name) == 64:
                raw = self.file(kind + "/" + name)
                need(hashlib.sha256(raw).hexdigest() == name, kind + "/" + name + " has another hash")
                yield name, raw

    def open_slots(self):  # 5.1
        passphrase, key_file = os.environ.get("VGERFS_PASSPHRASE"), os.environ.get("VGERFS_KEY_FILE")
        for _, raw in self.objects("keys"):
            magic, version, kind, cipher, memory, passes, bundle_len, _ = struct.unpack_from("<8sHBBIIII", raw)
            need(magic == b"VGERSLOT" and version == 1 and cipher == 2, "key slot")
            if kind == 1 and passphrase is not None:
                need(65536 <= memory <= 1 << 20 and 3 <= passes <= 20, "key slot cost")
                secret = argon2id.kdf(32, passphrase.encode(), raw[32:48], opslimit=passes, memlimit=memory * 1024)
            elif kind == 2 and key_file is not None:
                with open(key_file, encoding="ascii") as handle:
                    secret = bytes.fromhex(handle.read().strip().removeprefix("vgerfs-key-1:"))
            else:
                continue
            key, commitment = hkdf(secret, raw[48:80], b"vgerfs/1 slot\0" + self.id)
            if commitment == raw[80:112]:
                plain = ChaCha20Poly1305(key).decrypt(bytes(12), raw[112:112 + bundle_len], raw[:112])
                return self.keys_pb2.KeyBundle.FromString(plain)
        sys.exit("no key slot opens")

    def open_envelope(self, raw, kind, tag=None):  # 3.1, 3.2; returns header fields, directory, data
        magic, version, found, cipher, codec, epoch, chunk_kind, directory_len, data_len = struct.unpack_from(
            "<4sBBBBIB3xII", raw)
        need(magic == b"VGfs" and found == kind and raw[13:16] == bytes(3), "envelope")
        need(version == 1 and epoch == 1 and cipher in (1, 2), "unsupported envelope")
        size = 168 if kind in (BLOCK, SNAPSHOT) else 88
        ikm = self.bundle.meta_key
        if size == 168:
            sealed = raw[88:168]
            if sealed not in self.data_keys:
                need(self.box, "this key cannot read")
                self.data_keys[sealed] = self.box.decrypt(sealed)
            ikm = self.data_keys[sealed] + ikm
        key, commitment = hkdf(ikm, raw[24:56], b"vgerfs/1\0" + self.id + bytes([kind]))
        need(commitment == raw[56:88], "commitment")
        aead = (AESGCM if cipher == 1 else ChaCha20Poly1305)(key)
        header, at, directory = raw[:size], size, b""
        try:
            if kind == BLOCK:
                directory = aead.decrypt(bytes(12), raw[at:at + directory_len + 16], header)
                at += directory_len + 16
                header += raw[at - 16:at]
            end = at + data_len + 16
            need(tag is None or raw[end - 16:end] == tag, "a block's tag is not the one in the index")
            data = aead.decrypt(b"\x01" + bytes(11), raw[at:end], header)
        except InvalidTag:
            raise Corrupt("an envelope is not authentic") from None
        need(len(raw) == end + (64 if kind in (RECORD, SNAPSHOT, LEASE) else 0), "envelope length")
        return chunk_kind, codec, directory, data

    def signed(self, raw, kind, message_type, what):  # 3.3, 5.3; returns message, certificate
        message = message_type.FromString(self.open_envelope(raw, kind)[3])
        from format import common_pb2
        signed = message.author
        verify(self.bundle.root_public_key, signed.signature,
               b"vgerfs/1 certificate\0" + self.id + signed.certificate, what)
        certificate = common_pb2.Certificate.FromString(signed.certificate)
        verify(certificate.author, raw[-64:], b"vgerfs/1 object\0" + bytes([kind]) + self.id +
               hashlib.sha256(raw[:-64]).digest(), what)
        return message, certificate

    def read_index(self):  # 9
        for name, raw in self.objects("index"):
            record, certificate = self.signed(raw, RECORD, self.index_pb2.IndexRecord, "index/" + name)
            full = certificate.role == ROLE_FULL
            need(not (full and (record.vouches or record.supersedes or record.condemnations or record.buried or
                                record.undoes or record.revocations)), "unsupported record")
            if full:
                self.removed.update(removal.snapshot_id for removal in record.removals)
            for addition in record.additions:
                need(not addition.HasField("author"), "additions of another author")
                for pack in addition.packs:
                    self.add_pack(pack, full)

    def add_pack(self, pack, full):  # 9.2
        offset, chunk = 32, 0
        blocks = len(pack.block_bytes)
        need(len(pack.block_tags) == 16 * blocks and len(pack.block_chunk_kinds) == blocks and
             len(pack.block_chunks) == blocks and sum(pack.block_chunks) == len(pack.chunk_bytes) and
             len(pack.chunk_ids) == 32 * len(pack.chunk_bytes), "columns")
        for i in range(blocks):
            place = (pack.pack_id, offset, pack.block_bytes[i], pack.block_tags[16 * i:16 * i + 16])
            start = 0
            for _ in range(pack.block_chunks[i]):
                chunk_id = pack.chunk_ids[32 * chunk:32 * chunk + 32]
                places = self.chunks.setdefault((pack.block_chunk_kinds[i], chunk_id), [])
                places.insert(0 if full else len(places), (place, start, pack.chunk_bytes[chunk]))
                start += pack.chunk_bytes[chunk]
                chunk += 1
            offset += pack.block_bytes[i]
        need(offset + 4 * blocks + 16 == pack.stored_bytes, "pack size")

    def block(self, place):  # 7
        if place not in self.blocks:
            pack, offset, length, tag = place
            name = pack.hex()
            with open(os.path.join(self.path, "data", name[:2], name), "rb") as handle:
                handle.seek(offset)
                raw = handle.read(length)
            _, codec, directory, data = self.open_envelope(raw, BLOCK, tag)
            count, = struct.unpack_from("<I", directory)
            need(len(directory) == 4 + 36 * count, "block directory")
            total = sum(struct.unpack_from("<I", directory, 4 + 36 * i + 32)[0] for i in range(count))
            need(total <= 16 << 20, "block too large")
            if codec == 1:
                decoder = zstandard.ZstdDecompressor().decompressobj()
                padding, data = data, decoder.decompress(data)
                padding = decoder.unused_data
            else:
                padding, data = data[total:], data[:total]
            need(len(data) == total and not any(padding), "block plaintext")
            if len(self.blocks) > 64:
                self.blocks.clear()
            self.blocks[place] = data
        return self.blocks[place]

    def chunk(self, kind, chunk_id):  # 6, 9.3
        for place, start, length in self.chunks.get((kind, chunk_id), []):
            data = self.block(place)[start:start + length]
            if mac(self.chunk_key, bytes([kind]), data) == chunk_id:
                return data
        raise Corrupt("chunk " + chunk_id.hex())

    def snapshots(self):  # 11
        for name, raw in self.objects("snapshots"):
            if bytes.fromhex(name) not in self.removed:
                yield name, self.signed(raw, SNAPSHOT, self.snapshot_pb2.Snapshot, "snapshots/" + name)[0]

    def entries(self, node_id, level=None):  # 10
        if not node_id:
            return
        node = self.tree_pb2.TreeNode.FromString(self.chunk(TREE, node_id))
        need(node.level <= 16 and level in (None, node.level), "tree level")
        yield from node.entries
        for child in node.children:
            yield from self.entries(child.node, node.level - 1)

    def extents(self, entry):
        def walk(node_id, level=None):
            node = self.tree_pb2.ExtentNode.FromString(self.chunk(EXTENTS, node_id))
            need(node.level <= 8 and level in (None, node.level), "extent level")
            yield from node.extents
            for child in node.children:
                yield from walk(child.node, node.level - 1)
        return walk(entry.extents_root) if entry.extents_root else entry.extents

    def restore(self, entry, path, links, after):
        kind = entry.type
        if entry.link_group and entry.link_group in links:
            os.link(links[entry.link_group], path, follow_symlinks=False)
            return
        if entry.link_group:
            links[entry.link_group] = path
        if kind == 2:
            os.mkdir(path, 0o700)
            last = b""
            for child in self.entries(entry.subtree):
                name = child.name
                need(last < name and len(name) <= 255 and name not in (b".", b"..") and b"/" not in name and
                     b"\0" not in name, "entry name")
                last = name
                self.restore(child, os.path.join(path, name), links, after)
        elif kind == 1:
            with open(path, "xb") as out:
                for extent in self.extents(entry):
                    if extent.chunk:
                        piece = self.chunk(DATA, extent.chunk)[extent.chunk_offset:extent.chunk_offset + extent.bytes]
                        need(len(piece) == extent.bytes, "extent")
                        out.write(piece)
                    else:
                        out.seek(extent.bytes, os.SEEK_CUR)
                need(out.tell() == entry.size, "file size")
                out.truncate()
        elif kind == 3:
            os.symlink(entry.symlink_target, path)
        else:
            types = {4: stat.S_IFIFO, 5: stat.S_IFSOCK, 6: stat.S_IFCHR, 7: stat.S_IFBLK}
            os.mknod(path, types[kind] | 0o600, os.makedev(entry.device_major, entry.device_minor))
        os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
        if kind != 3:
            os.chmod(path, entry.mode)
        for xattr in entry.xattrs:
            value = self.chunk(BLOB, xattr.value_chunk) if xattr.value_chunk else xattr.value
            os.setxattr(path, xattr.name, value, follow_symlinks=False)
        # A directory's times come last: what is made in it moves them.
        after.append((path, entry.mtime_s * 10**9 + entry.mtime_ns))


def main():
    repository = Repository(sys.argv[1], sys.argv[2])
    if sys.argv[3] == "list":
        for name, snapshot in repository.snapshots():
            print(name, snapshot.host, snapshot.source, snapshot.time_s)
        return
    wanted, target = sys.argv[4:6]
    for name, snapshot in repository.snapshots():
        if name.startswith(wanted):
            after = []
            repository.restore(snapshot.root, os.fsencode(target), {}, after)
            for path, mtime_ns in after:
                os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
            return
    sys.exit("no such snapshot")


if __name__ == "__main__":
    main()
