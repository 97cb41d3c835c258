# SPDX-License-Identifier: MIT
"""Checks that are counted: the last line is "N passed, N failed"."""
import sys

passed = 0
failed = 0


def check(what, faults):
    """`faults` is a list of lines; what is checked holds if it is empty."""
    global passed, failed
    if not faults:
        passed += 1
        return
    failed += 1
    print("FAIL " + what)
    for fault in faults:
        print("  " + fault)


def finish():
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed != 0 or passed == 0)
