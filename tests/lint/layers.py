#!/usr/bin/python3
"""Checks the architecture: which folder of src/ may use which folder and which library.

usage: layers.py [ROOT]    prints one line per violation; exits with 1 if there is any
"""

import pathlib
import re
import sys

# folder of src/: the folders that it may use besides itself and base, both by #include and in its CMakeLists.txt
LAYERS = {
    "base": [],
    "format": [],
    "crypto": [],
    "backends": ["format"],
    "repo": ["format", "crypto", "backends"],
    "fs": ["repo"],
    "server": ["format", "backends"],  # never crypto: the server holds no key
    "cli": ["format", "crypto", "backends", "repo", "fs"],
}

# What a folder may include of another one that it may use only in part: repo knows the storage port and what a server adds to it, no adapter.
PARTS = {
    ("repo", "backends"): ["backends/backend.h", "backends/store_lease.h", "backends/store_services.h"],
}

# foreign headers: where they may be included
LIBRARIES = {
    r"<fuse": r"src/fs/fuse/",
    r"<(curl|libssh)/": r"src/backends/",
    r"<sodium": r"src/crypto/",
    r"<openssl/": r"src/crypto/|src/base/sha256\.",
    r"<sqlite3": r"src/base/sqlite\.",
    r"<(zstd|zdict|zstd_errors)\.h": r"src/repo/compression\.",
    r"<yaml-cpp/": r"src/cli/",
    r"<nlohmann/": r"src/backends/rest_|src/cli/|src/server/",
    r"<CLI/": r"src/cli/|src/server/",
    r"<libmount/": r"src/cli/mount_table\.",
    r"<archive": r"src/cli/tar_stream\.",
    r"<(boost|toml\+\+)/": r"src/server/",
}

# libraries that a folder, with all that it uses, must not link
UNLINKABLE = {
    "server": r"sodium|PkgConfig::fuse",
}

# paths of a developer's machine; written so that this file does not contain them
FORBIDDEN_TEXT = [r"(?<![\w.~-])/" + "work/"]

# A shared pointer that a call returns dies before the loop over what it points to begins.
DANGLING = re.compile(r"\bfor \([^;]*: [^;)]*\(\)->")

INCLUDE = re.compile(r'^\s*#\s*include\s*(<[^>]+>|"[^"]+")', re.MULTILINE)
NOT_OURS = {".git", ".cache", "__pycache__", "build"}


def files_below(folder):
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name in NOT_OURS:  # .git is a file in a second work tree
            continue
        if path.is_dir() and not path.is_symlink():
            yield from files_below(path)
        elif path.is_file():
            yield path


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def without_comments(cmake):
    return re.sub(r"#.*", "", cmake)


def may_use(user, used):
    return used in (user, "base") or used in LAYERS.get(user, [])


def check_include(root, name, header):
    """Violations of one quoted include in the file src/<folder>/…."""
    folder = name.split("/")[1]
    used = header.split("/")[0]
    generated = re.sub(r"\.pb\.h$", ".proto", header)
    if used not in LAYERS or not (root / "src" / generated).is_file():
        yield f'{name}: "{header}" is no header below src/'
    elif not may_use(folder, used):
        yield f'{name}: {folder} must not use {used} ("{header}")'
    elif header not in PARTS.get((folder, used), [header]):
        yield f'{name}: {folder} may use only {", ".join(PARTS[folder, used])} of {used}, not "{header}"'


def check_cycles(graph):
    """Include cycles; graph: file -> included files, all relative to src/."""
    done = set()

    def visit(name, path):
        if name in path:
            yield "include cycle: " + " -> ".join(path[path.index(name) :] + [name])
        elif name not in done:
            for header in graph.get(name, []):
                yield from visit(header, path + [name])
            done.add(name)

    for name in graph:
        yield from visit(name, [])


def check_sources(root):
    graph = {}
    for path in files_below(root / "src"):
        name = path.relative_to(root).as_posix()
        if path.suffix not in (".h", ".cpp"):
            continue
        if name.count("/") < 2 or name.split("/")[1] not in LAYERS:
            yield f"{name}: its folder is not in the table"
            continue
        includes = INCLUDE.findall(read(path))
        headers = [i[1:-1] for i in includes if i.startswith('"')]
        graph[name.removeprefix("src/")] = headers
        for header in headers:
            yield from check_include(root, name, header)
        for include in includes:
            for library, places in LIBRARIES.items():
                if re.match(library, include) and not re.match(places, name):
                    yield f"{name}: {include} belongs into {places}"
    yield from check_cycles(graph)


def check_pragma_once(root):
    for folder in ("src", "tests", "bench"):
        for path in files_below(root / folder):
            if path.suffix == ".h" and not re.search(r"^#pragma once$", read(path), re.MULTILINE):
                yield f"{path.relative_to(root)}: no #pragma once"


def check_loops(root):
    for folder in ("src", "tests", "bench"):
        for path in files_below(root / folder):
            if path.suffix in (".h", ".cpp"):
                for number, line in enumerate(read(path).splitlines(), 1):
                    if DANGLING.search(line):
                        yield f"{path.relative_to(root)}:{number}: what this loop walks may be gone: name the pointer first"


def links(root, folder, seen=None):
    """The text of every CMakeLists.txt that decides what the folder links."""
    seen = {folder} if seen is None else seen
    path = root / "src" / folder / "CMakeLists.txt"
    text = without_comments(read(path)) if path.is_file() else ""
    for used in re.findall(r"\bvgerfs(?:::|_)(\w+)", text):
        if used in LAYERS and used not in seen:
            seen.add(used)
            text += links(root, used, seen)
    return text


def check_cmake(root):
    for folder in LAYERS:
        path = root / "src" / folder / "CMakeLists.txt"
        name = path.relative_to(root)
        text = without_comments(read(path)) if path.is_file() else ""
        for used in sorted(set(re.findall(r"\bvgerfs(?:::|_)(\w+)", text))):
            if used in LAYERS and not may_use(folder, used):
                yield f"{name}: {folder} must not link {used}"
        if folder in UNLINKABLE and re.search(UNLINKABLE[folder], links(root, folder)):
            yield f"{name}: {folder} must not link {UNLINKABLE[folder]}, not even through another folder"


def check_listed(root):
    """A source that no CMakeLists.txt names is not built, and a test in it is never run."""
    for path in list(files_below(root / "src")) + list(files_below(root / "tests")):
        if path.suffix not in (".cpp", ".proto"):
            continue
        folder = next((p for p in path.parents if (p / "CMakeLists.txt").is_file()), root)
        listed = (folder / "CMakeLists.txt").is_file() and without_comments(read(folder / "CMakeLists.txt"))
        if not listed or not re.search(rf"(?<![\w/.-]){re.escape(path.relative_to(folder).as_posix())}(?![\w/.-])", listed):
            yield f"{path.relative_to(root)}: in no CMakeLists.txt"


def check_text(root):
    for path in files_below(root):
        for number, line in enumerate(read(path).splitlines(), 1):
            for pattern in FORBIDDEN_TEXT:
                if re.search(pattern, line):
                    yield f"{path.relative_to(root)}:{number}: a path of somebody's machine: {line.strip()[:80]}"


def violations(root):
    checks = (check_sources, check_pragma_once, check_loops, check_cmake, check_listed, check_text)
    return [violation for check in checks for violation in check(root)]


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    if not (root / "src").is_dir():
        sys.exit(f"layers.py: no src/ in {root}")
    found = violations(root)
    print("\n".join(found) if found else "layers: ok")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
