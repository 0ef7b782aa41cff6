# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the emulator does about limits, to real processes: memory.max, cpu.max, pids.max of what
`ctlfs run` started, and that nothing is done with --no-enforce. Bounds are wide: what is
tested is that it acts and counts, not how well a busy machine keeps time."""
import os
import signal
import time

import agents
from harness import SLOW, Case, keyed, run_in, wait_for
from test_members import Members, state

# Scripts in the container: what they print is what the tests look at.

GROW = """
import time
kept = []
while True:
    kept.append(b"x" * (1 << 20))
    time.sleep(0.002)
"""

# Until it was throttled some times, which a busy machine delays; at most for a while.
SPIN = """
import time
def stat():
    return dict(line.split() for line in open("/sys/fs/cgroup/cpu.stat"))
used, began = time.process_time(), time.monotonic()
while int(stat()["nr_throttled"]) < 5 and time.monotonic() < began + 20:
    end = time.process_time() + 0.01
    while time.process_time() < end:
        pass
print(time.process_time() - used, time.monotonic() - began)
print(open("/sys/fs/cgroup/cpu.stat").read())
"""

# How much room there is: process 1 takes some.
ROOM = """
def number(name):
    return int(open("/sys/fs/cgroup/pids." + name).read())
room = number("max") - number("current")
"""

# A parent that stops itself when its child does, as nsenter and sudo do.
SUPERVISE = """
import os, signal, sys
child = os.fork()
if not child:
    os.execvp("python3", ("python3", "-c", sys.argv[1]))
stops = 0
while os.WIFSTOPPED(status := os.waitpid(child, os.WUNTRACED)[1]):
    stops += 1
    os.kill(os.getpid(), signal.SIGSTOP)
    os.kill(child, signal.SIGCONT)
print("stops", stops)
print("status", status)
"""

# Many that are gone before anybody looks.
QUICK = """
import os, subprocess
for _ in range(40):
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 4000 ]; do i=$((i+1)); done"])
times = os.times()
print(sum(times[:4]))
print(open("/sys/fs/cgroup/cpu.stat").read())
"""

FORKS = ROOM + """
import errno, os
read, write = os.pipe()
children, failed = [], None
while not failed and len(children) < 100:
    try:
        pid = os.fork()
    except OSError as error:
        failed = errno.errorcode[error.errno]
        break
    if not pid:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    children.append(pid)
for name in "current", "peak", "events":
    print(open("/sys/fs/cgroup/pids." + name).read().strip())
print(failed, len(children) - room)
os.close(write)
for pid in children:
    os.waitpid(pid, 0)
pid = os.fork()  # there is room again
if not pid:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

THREADS = ROOM + """
import threading
go, threads, failed = threading.Event(), [], 0
for _ in range(20):
    thread = threading.Thread(target=go.wait)
    try:
        thread.start()
        threads.append(thread)
    except RuntimeError:
        failed += 1
print(len(threads) - room, failed - 20 + room)
print(number("current"))
go.set()
"""

# Four processes fork as fast as they can until they are refused, all at once.
PARALLEL = ROOM + """
import os, time
read, write = os.pipe()
told, tell = os.pipe()
makers = []
for _ in range(4):
    pid = os.fork()
    if pid:
        makers.append(pid)
        continue
    os.close(write)
    n = 0
    try:
        while True:
            pid = os.fork()
            if not pid:
                os.read(read, 1)
                os._exit(0)
            n += 1
    except OSError:
        pass
    os.write(tell, bytes([n]))
    os.read(read, 1)
    os._exit(0)
print(sum(os.read(told, 1)[0] for _ in makers) + len(makers) - room)
print(number("current"))
os.close(write)
"""


def run(*args):
    """Status, output and messages of a container's command."""
    result = run_in(*args)
    return result.status, result.out, result.err


def python(limit, script, *more):
    """Those of a script in a container with the limit."""
    return run(*limit, *more, "--", "python3", "-c", script)


class OutOfMemory(Members):
    def events(self, path):
        return keyed(self.read(path, "memory.events"))

    def wait_for_end(self, agent):
        wait_for(lambda: state(agent.pid) == "Z", "the end of the process")

    def test_write_below_usage(self):
        agent = self.agent("a")
        self.write("a/memory.max", "0")
        self.wait_for_end(agent)
        wait_for(lambda: not self.members("a"), "nobody is left")
        self.assertEqual({"low": 0, "high": 0, "max": 0, "oom": 1, "oom_kill": 1,
                          "oom_group_kill": 0}, self.events("a"))

    def test_growth(self):
        small, large = self.agent("a"), self.agent("a")
        self.write("a/memory.max", "128M")
        large.conn.send((agents.hold_memory, (256 << 20,)))
        self.wait_for_end(large)
        self.assertNotEqual("Z", state(small.pid))
        events = self.events("a")
        self.assertEqual((1, 1), (events["oom"], events["oom_kill"]))
        self.assertLessEqual(1, events["max"])

    def test_group(self):
        pair = [self.agent("a") for _ in range(2)]
        self.write("a/memory.oom.group", "1")
        self.write("a/memory.max", "1M")
        for agent in pair:
            self.wait_for_end(agent)
        events = self.events("a")
        self.assertEqual((2, 1), (events["oom_kill"], events["oom_group_kill"]))

    def test_run(self):
        self.assertEqual(137, python(("--memory", "96M"), GROW)[0])

    def test_observed(self):
        status, out, err = python(("--memory", "1M"), "print(6 * 7)", "--no-enforce")
        self.assertEqual((0, "42\n"), (status, out), err)


class Bandwidth(Case):
    def test_spinner(self):
        status, out, err = python(("--cpus", "0.05"), SPIN)
        self.assertEqual(0, status, err)
        times, _, rest = out.partition("\n")
        used, elapsed = map(float, times.split())
        stat = keyed(rest)
        self.assertLess(used, 0.05 * elapsed + 0.1 * SLOW, out)
        self.assertTrue(5 <= stat["nr_throttled"] <= stat["nr_periods"], out)
        self.assertLess(100_000, stat["throttled_usec"], out)

    def test_parent_sees_no_stop(self):
        status, out, err = run("--cpus", "0.2", "--", "python3", "-c", SUPERVISE, SPIN)
        self.assertEqual(0, status, err)
        got = keyed(out.partition("\n")[2])
        self.assertLessEqual(5, got["nr_throttled"], out)
        self.assertEqual((0, 0), (got["stops"], got["status"]), out)

    def test_quick_children(self):
        status, out, err = python((), QUICK)
        self.assertEqual(0, status, err)
        used, _, rest = out.partition("\n")
        counted = keyed(rest)["usage_usec"] / 1e6
        # Process 1 and the start of all are counted as well; sums of ticks lose some.
        self.assertTrue(0.8 * float(used) - 0.05 <= counted <= 1.2 * float(used) + 0.2, out)

    def test_observed(self):
        status, out, err = python(("--cpus", "0.05"), SPIN, "--no-enforce")
        self.assertEqual(0, status, err)
        self.assertEqual(0, keyed(out.partition("\n")[2])["throttled_usec"], out)


class Stopping(Members):
    def test_who_stopped_it(self):
        """What somebody stops while it is throttled stays stopped, and the quota's end frees."""
        agent = self.agent("a")
        agent.conn.send((agents.burn, (600,)))
        self.write("a/cpu.max", "1000 1000000")
        wait_for(lambda: state(agent.pid) == "T", "it is throttled")
        os.kill(agent.pid, signal.SIGSTOP)
        self.write("a/cpu.max", "max")
        time.sleep(0.1)
        self.assertEqual("T", state(agent.pid))
        os.kill(agent.pid, signal.SIGCONT)
        wait_for(lambda: state(agent.pid) == "R", "it runs again")

    def test_no_quota_frees(self):
        agent = self.agent("a")
        agent.conn.send((agents.burn, (600,)))
        self.write("a/cpu.max", "1000 1000000")
        wait_for(lambda: state(agent.pid) == "T", "it is throttled")
        self.write("a/cpu.max", "max")
        wait_for(lambda: state(agent.pid) == "R", "it runs again")


class Pids(Case):
    def test_exact(self):
        status, out, err = python(("--pids", "10"), FORKS)
        self.assertEqual((0, "10\n10\nmax 1\nEAGAIN 0\n7\n"), (status, out), err)

    def test_threads(self):
        status, out, err = python(("--pids", "10"), THREADS)
        self.assertEqual((0, "0 0\n10\n"), (status, out), err)

    def test_parallel(self):
        status, out, err = python(("--set", "pids.max=40"), PARALLEL)
        self.assertEqual((0, "0\n40\n"), (status, out), err)

    def test_shell(self):
        status, _, err = run("--pids", "4", "--", "sh", "-c",
                                "for i in 1 2 3 4; do sleep 100 & done")
        self.assertNotEqual(0, status)
        self.assertIn("fork", err)

    def test_observed(self):
        status, out, err = run("--pids", "2", "--no-enforce", "--", "sh", "-c",
                               "cd /sys/fs/cgroup; true; cat pids.max; cat pids.events")
        self.assertEqual((0, "2\nmax 0\n"), (status, out), err)
