# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mount suite: python3 -B tests/mount root|user|kernel|runtimes|systemd|v1|mixed [PATTERN...]:
those tests that have a pattern in their names, and none of those written as -PATTERN.

Each class of tests runs in a child process, which reports over a pipe. A test that says nothing
for a long time has its daemons killed, so that whatever it waits for ends, and then itself.
Whatever a class leaves behind, processes or mounts, is ended and counts as a failure.
"""
import collections
import contextlib
import faulthandler
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unittest
import uuid
from multiprocessing.connection import Pipe
from pathlib import Path

import harness
from agents import die_with_parent
from harness import DEADLINE, MARK

SLOWEST = 12  # are named in the end
TEST_DEADLINE = 5 * DEADLINE  # several waits in a row, each with a deadline of its own
FILES = {"root": "test_*.py", "user": "test_*.py", "kernel": "kernel_*.py", "v1": "v1_*.py",
         "mixed": "v1_*.py", "runtimes": "runtime_*.py", "systemd": "systemd_*.py"}


class Reporter(unittest.TestResult):
    """Tells the runner, test by test."""

    def __init__(self, conn):
        super().__init__()
        self.conn = conn
        self.broken = False

    def tell(self, kind, test, text=""):
        self.conn.send((kind, test.id(), text))

    def startTest(self, test):
        super().startTest(test)
        self.broken = False
        faulthandler.dump_traceback_later(TEST_DEADLINE - 5, exit=False)
        self.tell("start", test)

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)

    def addSuccess(self, test):
        if not self.broken:
            self.tell("passed", test)

    def addFailure(self, test, err):
        self.broken = True
        text = "".join(traceback.format_exception(*err))
        for log in list(harness.logs):
            with contextlib.suppress(OSError):
                text += f"-- the daemon's stderr\n{Path(log).read_text(errors='replace')[-4000:]}"
        self.tell("failed", test, text)

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        if err:
            self.addFailure(subtest, err)

    def addSkip(self, test, reason):
        if not self.broken:
            self.tell("skipped", test, reason)


def child_main(conn, tests):
    reporter = Reporter(conn)
    unittest.TestSuite(tests).run(reporter)
    conn.send(("end", "", ""))


class ClassRun:
    """One class in its process."""

    def __init__(self, tests):
        self.tests = tests
        self.name = type(tests[0]).__name__
        self.tmp = os.path.realpath(tempfile.mkdtemp(prefix="ctlfs-test."))
        os.chmod(self.tmp, 0o755)  # other users go through it to a mount
        self.mark = uuid.uuid4().hex
        self.results = {}  # test id: (kind, text)
        self.took = collections.Counter()  # seconds by test id, those around the tests by class
        self.running = f"{type(tests[0]).__module__}.{self.name}"
        self.ended = False

    def start(self):
        self.since = time.monotonic()
        self.conn, theirs = Pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid:
            theirs.close()
            return
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with_parent()
            os.environ[MARK] = self.mark
            os.environ["TMPDIR"] = tempfile.tempdir = self.tmp
            self.conn.close()
            child_main(theirs, self.tests)
            status = 0
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)

    def report(self, kind, test, text):
        """A test fails once, whatever else is said of it."""
        if self.results.get(test, ("",))[0] == "failed":
            return
        self.results[test] = (kind, text)
        print(f"{kind:8}{test}" + (f": {text}" if kind == "skipped" else ""), flush=True)
        if kind == "failed":
            print("    " + text.rstrip().replace("\n", "\n    "), flush=True)

    def take(self, timeout):
        """One message: False if none came."""
        if not self.conn.poll(timeout):
            return False
        try:
            kind, test, text = self.conn.recv()
        except (EOFError, ConnectionResetError):
            kind, test, text = "dead", self.running, "the tests' process has died"
        now = time.monotonic()
        self.took[self.running] += now - self.since
        self.since = now
        self.ended = kind in ("end", "dead")
        if kind == "start":
            self.running = test
        elif kind == "dead":
            self.report("failed", test, text)
        elif kind != "end":
            self.report(kind, self.plain(test), text if kind == "skipped" else f"{test}\n{text}")
        return True

    def plain(self, test):
        """The id of a test without its row, or of a class for what sets it up."""
        name = test.split(" ")[0]
        return self.running if name in ("setUpClass", "tearDownClass") else name

    def follow(self):
        while not self.ended:
            if self.take(TEST_DEADLINE):
                continue
            self.report("failed", self.running, "timed out; its daemons are killed")
            harness.kill_pids(set(harness.marked(self.mark)) - {self.pid})
            self.take(10) or self.take(0)
            break

    def clean(self):
        """Ends the class; what it left, in words."""
        deadline = time.monotonic() + DEADLINE
        if not self.ended:
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.conn.close()
        while (left := harness.marked(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.05)
        said = [f"process {harness.describe(pid)}" for pid in left]
        harness.kill_pids(left)
        said += [f"mount {point}" for point in harness.unmount_below(self.tmp)]
        shutil.rmtree(self.tmp, ignore_errors=True)
        return said

    def run(self):
        self.start()
        try:
            self.follow()
        finally:
            left = self.clean()
        if left:
            self.report("failed", f"{self.running} (and those before it)",
                        "left behind: " + ", ".join(left))
        for test in self.tests:
            # A class that could not be set up has told so once.
            if test.id() not in self.results and not self.ended:
                self.report("failed", test.id(), "not run")
        return collections.Counter(kind for kind, _ in self.results.values())


def modes_of(test):
    return getattr(getattr(test, test._testMethodName), "modes", test.modes)


def classes_of(mode, patterns):
    """Lists of the tests that are asked for, one list for a class."""
    left_out = [p[1:] for p in patterns if p.startswith("-")]
    wanted = [p for p in patterns if not p.startswith("-")] or [""]

    def is_asked_for(test):
        name = test.id()
        return any(p in name for p in wanted) and not any(p in name for p in left_out)

    for path in sorted(Path(__file__).parent.glob(FILES[mode])):
        module = importlib.import_module(path.stem)
        for item in vars(module).values():
            if not isinstance(item, type) or not issubclass(item, unittest.TestCase):
                continue
            if item.__module__ != path.stem or mode not in getattr(item, "modes", ()):
                continue
            tests = [test for test in unittest.defaultTestLoader.loadTestsFromTestCase(item)
                     if is_asked_for(test) and mode in modes_of(test)]
            if tests:
                yield tests


def main(argv):
    if len(argv) < 2 or argv[1] not in FILES:
        print(f"usage: tests/mount {'|'.join(FILES)} [PATTERN...]", file=sys.stderr)
        return 2
    mode = argv[1]
    if (mode == "user") == harness.ROOT:
        print(f"tests/mount {mode}: started as uid {os.geteuid()}", file=sys.stderr)
        return 2
    if mode not in ("root", "user") and os.environ.get("CTLFS_IN_VM") != "1":
        print(f"tests/mount {mode}: only in the VM (tests/vm/run-vm)", file=sys.stderr)
        return 2
    if not os.access(harness.CTLFS, os.X_OK):
        print(f"tests/mount: {harness.CTLFS} is not built", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    count, took = collections.Counter(), collections.Counter()
    for tests in classes_of(mode, argv[2:]):
        run = ClassRun(tests)
        count += run.run()
        took += run.took
    print("slowest: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in
                                  took.most_common(SLOWEST)))
    print(", ".join(f"{count[kind]} {kind}" for kind in ("passed", "failed", "skipped")))
    return 1 if count["failed"] or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
