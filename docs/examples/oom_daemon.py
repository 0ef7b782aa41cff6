#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Testing a daemon that acts before the kernel's OOM killer does.

Without root:   ctlfs run --backend emulator -- docs/examples/oom_daemon.py
"""
import os
import select
import subprocess
import sys

ROOT = "/sys/fs/cgroup"


# --- the daemon under test ---

class OomDaemon:
    """Kills a cgroup when its tasks wait for memory too long, and counts the kernel's kills."""

    def __init__(self, cgroup):
        self.cgroup = cgroup
        self.oom_kills = 0
        self.poll = select.poll()
        self.events = os.open(f"{cgroup}/memory.events", os.O_RDONLY)
        self.pressure = os.open(f"{cgroup}/memory.pressure", os.O_RDWR)
        os.write(self.pressure, b"some 100000 1000000")  # 100 ms within a second
        self.read_events()
        self.poll.register(self.events, select.POLLPRI)
        self.poll.register(self.pressure, select.POLLPRI)

    def read_events(self):
        text = os.pread(self.events, 4096, 0).decode()
        self.oom_kills = int(dict(line.split() for line in text.splitlines())["oom_kill"])

    def step(self, timeout_ms):
        """Waits for one event; returns what was done about it."""
        for fd, _ in self.poll.poll(timeout_ms):
            if fd == self.pressure:
                with open(f"{self.cgroup}/cgroup.kill", "w") as kill:
                    kill.write("1")
                return "killed"
            before = self.oom_kills
            self.read_events()
            if self.oom_kills > before:
                return "saw oom_kill"
        return "nothing"


# --- its tests ---

def inject(line):
    subprocess.run(["ctlfs", "inject", line], check=True)


def write(path, text):
    with open(f"{ROOT}/{path}", "w") as file:
        file.write(text)


def main():
    os.mkdir(f"{ROOT}/supervisor")
    write("supervisor/cgroup.procs", str(os.getpid()))
    write("cgroup.subtree_control", "+memory")
    os.mkdir(f"{ROOT}/job")
    job = subprocess.Popen(["sleep", "60"])
    write("job/cgroup.procs", str(job.pid))
    daemon = OomDaemon(f"{ROOT}/job")
    # The path of the container in the tree: "/run" is what `ctlfs run` made.
    assert daemon.step(50) == "nothing", "an event without a cause"
    inject("event /run/job memory.oom_kill +1")
    assert daemon.step(10000) == "saw oom_kill", "a kill by the kernel was missed"
    inject("pressure /run/job memory some=50% full=20%")
    assert daemon.step(10000) == "killed", "pressure was not acted upon"
    assert job.wait(timeout=10) == -9, "the job lives"
    print("the OOM daemon passes")


if __name__ == "__main__":
    sys.exit(main())
