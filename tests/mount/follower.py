# SPDX-License-Identifier: LGPL-2.1-or-later
"""Refusals as ctlfs tells them: ctl/errors.json, and `ctlfs errors --follow` as a child of a test,
line by line."""
import json
import os
import select
import signal
import subprocess
import time

from harness import CTLFS, DEADLINE, environment, read


def entries(text):
    return [json.loads(line) for line in text.splitlines()]


def refusals(mount, below, agent=None):
    """Those about what lies below a path of the tree, as we see them or an agent does."""
    path = mount.path("ctl/errors.json")
    text = agent.call(read, path) if agent else read(path)
    return [e for e in entries(text) if e["file"].startswith(below)]


class Follower:
    def __init__(self, point, *args, stdout=subprocess.PIPE):
        self.process = subprocess.Popen(
            [CTLFS, "errors", "--follow", *args, point], stdin=subprocess.DEVNULL,
            stdout=stdout, stderr=subprocess.PIPE, env=environment())
        self.rest = b""

    def line(self, deadline=DEADLINE):
        end = time.monotonic() + deadline
        while b"\n" not in self.rest:
            left = end - time.monotonic()
            if left < 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"no line comes: {self.rest!r}")
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                raise AssertionError(f"it has ended: {self.process.stderr.read()!r}")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def entry(self):
        return json.loads(self.line())

    def interrupt(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        """Its status, and what it said on standard error."""
        status = self.process.wait(DEADLINE)
        said = self.process.stderr.read().decode()
        self.process.stderr.close()
        if self.process.stdout:
            self.process.stdout.close()
        return status, said

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.wait()
