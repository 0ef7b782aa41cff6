# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows that attack tests can fail: takes out one check after the other (mutants.py), builds, and
runs in the VM the tests that must fail then. python3 -B tests/mutants [--check] [NAME...]

--check only looks whether every check is where it is said to be. NAME: those alone."""
import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from mutants import MUTANTS

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
BUILD = REPO / "build"
WORK = BUILD / "mutants"
SOURCES = ("src", "include", "tests", "mount-helpers", "docs")
INTACT = "intact"
ROUNDS = "300"  # of a race
VM_LIMIT = 3600


def is_unit(test):
    return "." not in test


def misplaced(mutant):
    """What of a mutant's changes is not in the sources once, in words."""
    for change in mutant.changes:
        count = (REPO / change.file).read_text().count(change.old)
        if count != 1:
            yield f"{change.file} has {count} times: {change.old.strip()}"


def make(tree, *targets):
    """What is taken out may leave something unused behind."""
    subprocess.run(["make", "-s", "-C", tree, "-j2", "SANITIZE=-Wno-error -w", *targets],
                   check=True, stdout=subprocess.DEVNULL)


def build(tree, name, units):
    """The programs as they are in tree, to be found under a name of their own."""
    place = WORK / name
    make(tree, "build/ctlfs", *(f"build/tests/{unit}" for unit in units))
    shutil.rmtree(place, ignore_errors=True)
    (place / "tests").mkdir(parents=True)
    shutil.copy2(tree / "build/ctlfs", place)
    for unit in units:
        shutil.copy2(tree / "build/tests" / unit, place / "tests")
    (place / "mount").symlink_to(BUILD / "mount")


def build_all(mutants):
    tree = WORK / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    shutil.copy2(REPO / "Makefile", tree)
    for name in SOURCES:
        shutil.copytree(REPO / name, tree / name, symlinks=True)
    units = sorted({test for mutant in mutants for test in mutant.tests if is_unit(test)})
    build(tree, INTACT, units)
    for mutant in mutants:
        before = {}
        for change in mutant.changes:
            path = tree / change.file
            before.setdefault(path, path.read_text())
            path.write_text(path.read_text().replace(change.old, change.new))
        try:
            build(tree, mutant.name, [test for test in mutant.tests if is_unit(test)])
        finally:
            for path, text in before.items():
                path.write_text(text)


# --- in the VM -----------------------------------------------------------------------------------

def unit_result(program, env):
    """A check that failed is a line FILE:LINE:F:..., a crash or a time-out one with E."""
    done = subprocess.run([program], env=env, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode == 0:
        return "passed"
    return "failed" if re.search(r"^\S+:\d+:F:", done.stdout, re.M) else "broken"


def mount_results(out):
    """A test that failed for another reason than an assertion, such as its setup, is broken."""
    for kind, test, text in re.findall(r"^(passed|failed) +(\S+)$((?:\n    .*)*)", out, re.M):
        yield test, "broken" if kind == "failed" and "AssertionError" not in text else kind


def results(name, tests):
    """{test: passed, failed or broken} with the programs of that name."""
    env = {**os.environ, "CTLFS_BUILD": f"build/mutants/{name}", "CTLFS_RACE_ROUNDS": ROUNDS}
    found = {}
    for test in filter(is_unit, tests):
        found[test] = unit_result(WORK / name / "tests" / test, env)
    mounted = [test for test in tests if not is_unit(test)]
    if mounted:
        out = subprocess.run([sys.executable, "-B", "tests/mount", "kernel", *mounted], cwd=REPO,
                             env=env, stdout=subprocess.PIPE, text=True, check=False).stdout
        found.update(mount_results(out))
    return found


def judge(name, tests, want):
    """Tells of each test whether it did what it should."""
    found = results(name, tests)
    wrong = [test for test in tests if found.get(test) != want]
    for test in wrong:
        print(f"    {test}: {found.get(test, 'not run')}")
    print("failed " if wrong else "passed ", f"{name}: {len(tests)} tests {want}", flush=True)
    return not wrong


def run_inside(mutants):
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    good = [judge(INTACT, tests, "passed"),
            *(judge(mutant.name, list(mutant.tests), "failed") for mutant in mutants)]
    print(f"{sum(good)} passed, {len(good) - sum(good)} failed, 0 skipped")
    return 0 if all(good) else 1


# --- outside --------------------------------------------------------------------------------------

def check(mutants):
    wrong = [f"{mutant.name}: {text}" for mutant in mutants for text in misplaced(mutant)]
    print("".join(line + "\n" for line in wrong), end="")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(prog="tests/mutants", description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    unknown = set(args.names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    mutants = [mutant for mutant in MUTANTS if not args.names or mutant.name in args.names]
    if os.environ.get("CTLFS_IN_VM") == "1":
        return run_inside(mutants)
    status = check(mutants)
    if status or args.check:
        return status
    build_all(mutants)
    return subprocess.run([REPO / "tests/vm/run-vm", "--kernel", "6.12", "--timeout", str(VM_LIMIT),
                           "--", sys.executable, "-B", HERE, *args.names], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
