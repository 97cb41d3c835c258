# SPDX-License-Identifier: MIT
"""Every limit just below and just above its range, one daemon for each: what is
in range, options-test.py and daemon-test.py show."""

import re
import unittest

from daemon import limits, run


class Limits(unittest.TestCase):
    def test_what_is_out_of_range_is_refused_by_name(self):
        for name in limits():
            with self.subTest(name):
                told = run(["--limit", name + "=x"]).stderr.decode()
                ends = re.search(r"from (\d+) to (\d+)", told)
                least, most = int(ends.group(1)), int(ends.group(2))
                for value in ([least - 1] if least else []) + [most + 1]:
                    given = "%s=%d" % (name, value)
                    got = run(["--limit", given])
                    self.assertEqual(2, got.returncode)
                    self.assertIn("jobsrvd: --limit %s: expected" % given,
                                  got.stderr.decode())


if __name__ == "__main__":
    unittest.main(verbosity=0)
