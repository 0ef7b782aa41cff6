# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs run --backend kernel` in a VM: limits that bite, and nothing left behind."""
import os
import re
import subprocess
import tempfile

from harness import (CTLFS, DEADLINE, Case, describe, extra_mark, kill_pids, marked,
                     run_ctlfs, wait_for)

CGROUPS = "/sys/fs/cgroup"


def run_kernel(*args):
    return run_ctlfs("run", "--backend", "kernel", *args)


def cgroups():
    return {path for path, _, _ in os.walk(CGROUPS)}


class Limits(Case):
    modes = ("kernel",)

    def test_files_and_views(self):
        done = run_kernel("--memory", "128M", "--swap", "0", "--cpus", "0.5", "--pids", "20",
                          "--set", "memory.high=100M", "--", "sh", "-c",
                          "cd /sys/fs/cgroup; cat memory.max memory.swap.max cpu.max pids.max "
                          "memory.high; nproc; grep -c ^processor /proc/cpuinfo; "
                          "grep MemTotal /proc/meminfo; cat init.scope/cgroup.procs")
        self.assertEqual(0, done.status, done)
        self.assertEqual([str(128 << 20), "0", "50000 100000", "20", str(100 << 20), "1", "1",
                          "MemTotal: 131072 kB", "1"],
                         [" ".join(line.split()) for line in done.out.splitlines()])

    def test_auto(self):
        done = run_ctlfs("run", "--memory", "64M", "true")
        self.assertEqual(0, done.status, done)
        self.assertRegex(done.err, r"^ctlfs: .*kernel")

    def test_out_of_memory(self):
        """A child that is killed is counted; a command that is killed gives 137."""
        done = run_kernel("--memory", "32M", "--swap", "0", "sh", "-c",
                          "tail /dev/zero; echo status $?; cat /sys/fs/cgroup/memory.events")
        self.assertEqual(0, done.status, done)
        self.assertIn("status 137\n", done.out)
        events = dict(re.findall(r"^(\w+) (\d+)$", done.out, re.M))
        self.assertGreaterEqual(int(events["oom_kill"]), 1, done)
        self.assertGreaterEqual(int(events["max"]), 1, done)
        done = run_kernel("--memory", "32M", "--swap", "0", "tail", "/dev/zero")
        self.assertEqual(137, done.status, done)

    def test_pids(self):
        done = run_kernel("--pids", "4", "sh", "-c",
                          "sleep 1000 & sleep 1000 & sleep 1000 & echo started")
        self.assertNotEqual(0, done.status, done)
        self.assertNotIn("started", done.out)

    def test_refused(self):
        before = cgroups()
        for setting in ("memory.max=x", "memory.nothing=1", "cpu.weight=0"):
            done = run_kernel("--set", setting, "echo", "started")
            self.assertEqual((125, ""), (done.status, done.out), done)
            self.assertIn(setting.partition("=")[0], done.err)
        self.assertEqual(before, cgroups())


class Leftovers(Case):
    modes = ("kernel",)

    def start(self, name):
        """A run in the background: its mark and process."""
        with extra_mark(name) as mark, tempfile.TemporaryFile() as out:
            process = subprocess.Popen(
                [CTLFS, "run", "--backend", "kernel", "--", "sh", "-c",
                 "mkdir /sys/fs/cgroup/sub; sleep 1000 & echo ready; exec sleep 1000"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
            self.addCleanup(self.end, process)

            def ready():
                out.seek(0)
                return out.read() == b"ready\n"
            wait_for(ready, "the command runs")
        return mark, process

    def end(self, process):
        if process.poll() is None:
            process.kill()
            process.wait()

    def ended(self, mark, process):
        process.wait(DEADLINE)
        try:
            wait_for(lambda: not marked(mark), "the end of every process")
        except AssertionError:
            self.fail("still there: " + ", ".join(map(describe, marked(mark))))

    def test_kill(self):
        """Its cgroup goes with it, or with the next run when nobody was left to remove it."""
        before = cgroups()
        mark, process = self.start("normal")
        self.assertGreater(len(cgroups()), len(before))
        process.terminate()
        self.ended(mark, process)
        self.assertEqual(before, cgroups(), "after SIGTERM")
        mark, process = self.start("all")
        kill_pids(marked(mark))
        self.ended(mark, process)
        mark, process = self.start("supervisor")
        process.kill()
        self.ended(mark, process)
        self.assertEqual(0, run_kernel("true").status)
        self.assertEqual(before, cgroups(), "after kill -9 and the next run")
