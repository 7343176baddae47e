#!/usr/bin/python3
"""Proves that layers.py accepts a good tree and rejects each kind of bad one."""

import pathlib
import tempfile
import unittest

import layers

GOOD = {
    "src/base/bytes.h": "#pragma once\n",
    "src/base/sha256.cpp": '#include "base/bytes.h"\n#include <openssl/evp.h>\n',
    "src/base/CMakeLists.txt": "vgerfs_library(base SOURCES sha256.cpp)\n",
    "src/format/tree.proto": "",
    "src/format/CMakeLists.txt": "vgerfs_library(format PROTOS tree.proto DEPS vgerfs::base)\n",
    "src/crypto/aead.h": '#pragma once\n#include <sodium.h>\n#include "base/bytes.h"\n',
    "src/crypto/CMakeLists.txt": "vgerfs_library(crypto DEPS vgerfs::base PkgConfig::libsodium)\n",
    "src/backends/backend.h": "#pragma once\n",
    "src/backends/local.h": '#pragma once\n#include "backends/backend.h"\n',
    "src/repo/pack.h": '#pragma once\n#include "backends/backend.h"\n#include "format/tree.pb.h"\n',
    "src/base/sqlite.h": "#pragma once\n#include <sqlite3.h>\n",
    "src/fs/view.h": '#pragma once\n#include "repo/pack.h"\n',
    "src/fs/fuse/slots.h": '#pragma once\n#include <fuse_lowlevel.h>\n#include "fs/view.h"\n',
    "src/server/routes.h": '#pragma once\n#include "backends/local.h"\n',
    "src/server/CMakeLists.txt": "# never vgerfs::crypto\nvgerfs_library(server DEPS vgerfs::format)\n",
    "src/cli/prune.h": '#pragma once\n#include "repo/pack.h"\n#include <yaml-cpp/yaml.h>\n',
    "tests/base/CMakeLists.txt": "vgerfs_test(sha256 SOURCES sha256_test.cpp)\n",
    "tests/base/sha256_test.cpp": "",
    "docs/FORMAT.md": "mount /home/me/" + "work/ there\n",
}

# name: (files planted on top of the good tree, what the one violation says)
BAD = {
    "upward include": ({"src/base/x.h": '#pragma once\n#include "repo/pack.h"\n'}, "base must not use repo"),
    "sideways include": ({"src/crypto/x.h": '#pragma once\n#include "format/tree.pb.h"\n'}, "crypto must not use format"),
    "server includes crypto": ({"src/server/x.h": '#pragma once\n#include "crypto/aead.h"\n'}, "server must not use crypto"),
    "cli includes server": ({"src/cli/x.h": '#pragma once\n#include "server/routes.h"\n'}, "cli must not use server"),
    "fs past repo": ({"src/fs/x.h": '#pragma once\n#include "backends/backend.h"\n'}, "fs must not use backends"),
    "adapter in repo": ({"src/repo/x.h": '#pragma once\n#include "backends/local.h"\n'}, "may use only backends/backend.h"),
    "include without folder": ({"src/base/x.h": '#pragma once\n#include "bytes.h"\n'}, "no header below src/"),
    "include of nothing": ({"src/base/x.h": '#pragma once\n#  include "base/none.h"\n'}, "no header below src/"),
    "message of nothing": ({"src/repo/x.h": '#pragma once\n#include "format/none.pb.h"\n'}, "no header below src/"),
    "unknown folder": ({"src/util/x.h": "#pragma once\n"}, "not in the table"),
    "file in src itself": ({"src/x.h": "#pragma once\n"}, "not in the table"),
    "cycle": (
        {"src/base/a.h": '#pragma once\n#include "base/b.h"\n', "src/base/b.h": '#pragma once\n#include "base/a.h"\n'},
        "include cycle: base/a.h -> base/b.h -> base/a.h",
    ),
    "fuse outside its binding": ({"src/fs/x.h": "#pragma once\n#include <fuse_lowlevel.h>\n"}, "<fuse_lowlevel.h> belongs"),
    "curl outside backends": ({"src/repo/x.h": "#pragma once\n#include <curl/curl.h>\n"}, "<curl/curl.h> belongs"),
    "sodium outside crypto": ({"src/repo/x.h": "#pragma once\n#include <sodium.h>\n"}, "<sodium.h> belongs"),
    "sodium in sha256": ({"src/base/sha256.h": "#pragma once\n#include <sodium.h>\n"}, "<sodium.h> belongs"),
    "openssl outside crypto": ({"src/base/x.h": "#pragma once\n#include <openssl/evp.h>\n"}, "<openssl/evp.h> belongs"),
    "sqlite outside its wrapper": ({"src/repo/x.h": "#pragma once\n#include <sqlite3.h>\n"}, "<sqlite3.h> belongs"),
    "zstd outside compression": ({"src/repo/x.h": "#pragma once\n#include <zstd.h>\n"}, "<zstd.h> belongs"),
    "yaml outside cli": ({"src/fs/x.h": "#pragma once\n#include <yaml-cpp/yaml.h>\n"}, "<yaml-cpp/yaml.h> belongs"),
    "json outside cli": ({"src/repo/x.h": "#pragma once\n#include <nlohmann/json.hpp>\n"}, "<nlohmann/json.hpp> belongs"),
    "no pragma once": ({"src/base/x.h": "int x();\n"}, "no #pragma once"),
    "no pragma once in tests": ({"tests/x.h": "// #pragma once\n"}, "no #pragma once"),
    "server links crypto": (
        {"src/server/CMakeLists.txt": "vgerfs_library(server DEPS vgerfs::crypto)\n"},
        "server must not link crypto",
    ),
    "server links sodium itself": (
        {"src/server/CMakeLists.txt": "vgerfs_library(server DEPS PkgConfig::libsodium)\n"},
        "not even through another folder",
    ),
    "server links sodium through format": (
        {"src/format/CMakeLists.txt": "vgerfs_library(format PROTOS tree.proto DEPS PkgConfig::libsodium)\n"},
        "not even through another folder",
    ),
    "upward link": ({"src/backends/CMakeLists.txt": "vgerfs_library(backends DEPS vgerfs_repo)\n"}, "backends must not link repo"),
    "forgotten source": ({"src/base/x.cpp": ""}, "src/base/x.cpp: in no CMakeLists.txt"),
    "forgotten test": ({"tests/base/a256_test.cpp": ""}, "tests/base/a256_test.cpp: in no CMakeLists.txt"),
    "source named in a comment": (
        {"src/base/CMakeLists.txt": "vgerfs_library(base)  # sha256.cpp\n"},
        "src/base/sha256.cpp: in no CMakeLists.txt",
    ),
    "loop over what a dying pointer points to": (
        {"src/base/loop.h": "#pragma once\nfor (auto& x : a.list()->items) {\n"},
        "src/base/loop.h:2: what this loop walks may be gone",
    ),
    "path of a machine": ({"docs/x.md": "see /" + "work/shared\n"}, "a path of somebody's machine"),
}


def violations_of(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return layers.violations(pathlib.Path(root))


class LayersTest(unittest.TestCase):
    def test_accepts_a_good_tree(self):
        self.assertEqual(violations_of(GOOD), [])

    def test_rejects_each_bad_tree(self):
        for name, (files, expected) in BAD.items():
            with self.subTest(name):
                found = violations_of({**GOOD, **files})
                self.assertTrue(any(expected in violation for violation in found), found)
                if not name.startswith("server links"):
                    self.assertEqual(len(found), 1, found)


if __name__ == "__main__":
    unittest.main()
