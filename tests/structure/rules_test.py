#!/usr/bin/python3
"""The rules of lint find what they are for, and nothing else."""

import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lint"))
import rules  # pylint: disable=wrong-import-position


class Code(unittest.TestCase):
    def finds(self, count, text, name="libtrust/a.cc"):
        self.assertEqual(len(rules.code_faults(Path(name), text)), count, text)

    def test_what_frees_stands_in_one_file(self):
        for text in ("X509_free(certificate);", "std::unique_ptr<SSL, Deleter<SSL_CTX_free>> c;",
                     "sqlite3_finalize (statement);", "::close(fd);", "if (close(fd)) {}",
                     "EVP_MD_CTX_free(context);", "sk_X509_pop_free(stack, X509_free);"):
            self.finds(1, text)
            self.finds(0, "#pragma once\n" + text, "libtrust/handles.h")

    def test_what_only_looks_like_it(self):
        for text in ("// close(fd)", "/* X509_free */", 'say("close(fd)");', "file.close();",
                     "file->close();", "Listener::close();", "void close();", "disclose(name);", "'\"'; x.close();"):
            self.finds(0, text)

    def test_header_without_guard(self):
        self.finds(1, "int a;", "libtrust/a.h")
        self.finds(0, "#pragma once\nint a;", "libtrust/a.h")


if __name__ == "__main__":
    unittest.main(verbosity=0)
