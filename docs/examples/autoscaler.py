#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Testing an autoscaler: a scripted load in virtual time, the same in each run.

Needs /dev/fuse and fusermount3, no root:   docs/examples/autoscaler.py
"""
import os
import subprocess
import sys
import tempfile

SCENARIO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "autoscaler.txt")


# --- the autoscaler under test ---

class Autoscaler:
    """More CPUs when periods are throttled, fewer when half of the quota is idle; more memory
    before it is used up."""
    PERIOD = 100000

    def __init__(self, cgroup):
        self.cgroup = cgroup
        self.last = self.cpu_stat()

    def read(self, name):
        with open(f"{self.cgroup}/{name}") as file:
            return file.read()

    def write(self, name, text):
        with open(f"{self.cgroup}/{name}", "w") as file:
            file.write(text)

    def cpu_stat(self):
        return {key: int(value)
                for key, value in (line.split() for line in self.read("cpu.stat").splitlines())}

    def cpus(self):
        return int(self.read("cpu.max").split()[0]) // self.PERIOD

    def step(self, seconds):
        """Looks at what happened in the last so many seconds; says what it did."""
        now, before = self.cpu_stat(), self.last
        self.last = now
        used = (now["usage_usec"] - before["usage_usec"]) / 1e6 / seconds
        throttled = now["nr_throttled"] - before["nr_throttled"]
        periods = now["nr_periods"] - before["nr_periods"]
        if int(self.read("memory.current")) > 0.8 * int(self.read("memory.max")):
            self.write("memory.max", str(2 * int(self.read("memory.max"))))
            return "more memory"
        if periods and throttled > periods / 4:
            self.write("cpu.max", f"{(self.cpus() + 1) * self.PERIOD} {self.PERIOD}")
            return "more cpus"
        if self.cpus() > 1 and used < self.cpus() / 2:
            self.write("cpu.max", f"{(self.cpus() - 1) * self.PERIOD} {self.PERIOD}")
            return "fewer cpus"
        return "nothing"


# --- its test ---

def run(mount):
    scaler = Autoscaler(f"{mount}/cgroup/web")
    did = []
    for _ in range(15):
        subprocess.run(["ctlfs", "inject", mount, "advance 10s"], check=True)
        did.append(scaler.step(10))
    kills = scaler.read("memory.events").split()
    assert kills[kills.index("oom_kill") + 1] == "0", f"it was too late: {kills}"
    return did


def main():
    with tempfile.TemporaryDirectory() as mount:
        subprocess.run(["ctlfs", "mount", "--backend", "emulator", "--scenario", SCENARIO, mount],
                       check=True)
        try:
            did = run(mount)
        finally:
            subprocess.run(["fusermount3", "-u", mount], check=True)
    assert did == (3 * ["nothing"] + 2 * ["more cpus"] + 4 * ["nothing"] +
                   2 * ["fewer cpus"] + ["nothing"] + ["more memory"] + 2 * ["nothing"]), did
    print("the autoscaler passes")


if __name__ == "__main__":
    sys.exit(main())
