"""The text form in which a golden repository's manifest says what its snapshots hold. One line an entry, a directory before what
is in it, names in order of bytes:

    PATH TYPE mode=0644 owner=0:0 mtime=-1.000000001 FIELD…

PATH is "." for the root. Bytes that are no plain ASCII, and " % = , :, are written %XX. mtime: whole seconds, rounded down, and
nanoseconds. The other fields, where they apply: size, sha256 (unless it is empty), holes (runs of 64 KiB of zeros or more: offset+length,…), target,
device (major,minor), links (of an inode with several names: their number and the first of them), and xattr:NAME=VALUE in hex, or
its SHA-256 if it is longer than 64 bytes.
"""
import hashlib
import os
import stat

HOLE = 65536
TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket",
         stat.S_IFCHR: "character", stat.S_IFBLK: "block"}


def escape(text):
    return "".join(chr(byte) if 0x21 <= byte <= 0x7e and byte not in b'"%=,:' else "%%%02X" % byte for byte in text)


def content(path):
    """SHA-256, and the long runs of zeros, wherever the file system has its holes."""
    digest, holes, zeros, at = hashlib.sha256(), [], 0, 0
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
            start = 0
            while start < len(block):
                rest = block[start:].lstrip(b"\0")
                zeros += len(block) - start - len(rest)
                if not rest:
                    break
                start = len(block) - len(rest)
                if zeros >= HOLE:
                    holes.append((at + start - zeros, zeros))
                end = block.find(b"\0", start)
                start, zeros = (len(block) if end < 0 else end), 0
            at += len(block)
    if zeros >= HOLE:
        holes.append((at - zeros, zeros))
    return digest.hexdigest(), holes


def line(path, name, links):
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    fields = [name, TYPES[kind], "mode=%04o" % stat.S_IMODE(status.st_mode), "owner=%d:%d" % (status.st_uid, status.st_gid),
              "mtime=%d.%09d" % divmod(status.st_mtime_ns, 10**9)]
    if kind == stat.S_IFREG:
        digest, holes = content(path)
        fields.append("size=%d" % status.st_size)
        if status.st_size:
            fields.append("sha256=" + digest)
        if holes:
            fields.append("holes=" + ",".join("%d+%d" % hole for hole in holes))
    if kind == stat.S_IFLNK:
        fields.append("target=" + escape(os.readlink(path)))
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        fields.append("device=%d,%d" % (os.major(status.st_rdev), os.minor(status.st_rdev)))
    if kind != stat.S_IFDIR and status.st_nlink > 1:
        fields.append("links=%d:%s" % (status.st_nlink, links.setdefault(status.st_ino, name)))
    for xattr in sorted(map(os.fsencode, os.listxattr(path, follow_symlinks=False))):
        value = os.getxattr(path, xattr, follow_symlinks=False)
        fields.append("xattr:%s=%s" % (escape(xattr), value.hex() if len(value) <= 64 else hashlib.sha256(value).hexdigest()))
    return " ".join(fields)


def describe(root):
    """The lines of a directory."""
    root, links, lines = os.fsencode(root), {}, []

    def visit(path, name):
        lines.append(line(path, name, links))
        if stat.S_ISDIR(os.lstat(path).st_mode):
            for child in sorted(os.listdir(path)):
                visit(os.path.join(path, child), (name + "/" if name != "." else "") + escape(child))
    visit(root, ".")
    return lines


def read(path):
    """The snapshots in a manifest: (fields of the line that begins one, lines)."""
    snapshots = []
    with open(path, encoding="ascii") as handle:
        for text in handle.read().splitlines():
            if text.startswith("snapshot "):
                snapshots.append((dict(field.split("=", 1) for field in text.split()[1:]), []))
            elif text and not text.startswith("#"):
                snapshots[-1][1].append(text)
    return snapshots
