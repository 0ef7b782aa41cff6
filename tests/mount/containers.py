# SPDX-License-Identifier: LGPL-2.1-or-later
"""Running containers, and readers inside them that never stop: for whatever comes into a container
or goes out while it runs. attach_cycle() takes any container's pid, whoever started it."""
import contextlib
import json
import os
import re
import subprocess
import tempfile
import threading
from pathlib import Path

from agents import CLONE_NEWNS, CLONE_NEWUSER, Agent, checked, libc
from harness import environment, kill_pids, keyed, read, run_ctlfs, tool, wait_for

# What this kernel does not have cannot be mounted over.
VIEWS = tuple(path for path in (
    "/proc/buddyinfo", "/proc/cpuinfo", "/proc/diskstats", "/proc/interrupts", "/proc/loadavg",
    "/proc/meminfo", "/proc/partitions", "/proc/pressure", "/proc/schedstat", "/proc/slabinfo",
    "/proc/softirqs", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/vmstat",
    "/proc/zoneinfo", "/sys/devices/system/cpu", "/sys/devices/system/node")
    if os.path.exists(path))
TREE = "/sys/fs/cgroup"


def views_of(mount):
    """Those that this ctlfs shows: with cgroup v1 there is no pressure."""
    return [path for path in VIEWS if os.path.exists(mount.path(path[1:]))]


class Container:
    """unshare(1) with options, and a script of sh in it that ends with a sleep."""

    def __init__(self, *options, setup=":", argument="", pidns=True):
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        options = ("-m", *(("-p", "-f", "--mount-proc", "--kill-child") if pidns else ()), *options)
        script = f"set -e; {setup}\necho ready; exec sleep 100000"
        self.process = subprocess.Popen([tool("unshare"), *options, "sh", "-c", script, "sh",
                                         argument], stdin=subprocess.DEVNULL, stdout=self.out,
                                        stderr=self.err, env=environment())
        wait_for(self.ready, "the container runs")
        self.pid = self.process.pid
        if pidns:
            self.pid, = map(int, read(f"/proc/{self.pid}/task/{self.pid}/children").split())

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the container has ended: {self.process.returncode}\n"
                                 f"{os.pread(self.err.fileno(), 4096, 0).decode()}")
        return os.pread(self.out.fileno(), 100, 0).endswith(b"ready\n")

    def end(self):
        if self.process.poll() is None:
            kill_pids([self.pid, self.process.pid])
            self.process.wait()
        self.out.close()
        self.err.close()


# --- in agents, which enter the container ---------------------------------------------------------

def enter(pid):
    """The namespaces of users and mounts, and the root directory, of a process."""
    root = os.open(f"/proc/{pid}/root", os.O_PATH)
    pidfd = os.pidfd_open(pid)
    same = os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user")
    checked(libc.setns(pidfd, CLONE_NEWNS | (0 if same else CLONE_NEWUSER)))
    os.fchdir(root)
    os.chroot(".")


def digest(path, text):
    """What of a text stays the same as long as the limits do. Raises on a wrong text."""
    name = os.path.basename(path)
    if name == "meminfo":
        info = keyed(text)
        if info["MemFree"] > info["MemTotal"]:
            raise ValueError("MemFree > MemTotal")
        return info["MemTotal"]
    if name == "stat":
        return len(re.findall(r"^cpu\d+ ", text, re.M))
    if name == "cpuinfo":
        return len(re.findall(r"^processor\s*:", text, re.M))
    if name == "uptime":
        return len([float(number) for number in text.split()])
    if name == "loadavg":
        return len(text.split())
    if path.startswith("/proc/"):
        return text.split()[:1]
    return text


def files_of(paths):
    """A file in each that is a directory."""
    inside = {"cpu": "/online", "node": "/online", "pressure": "/memory"}
    return [path + inside.get(os.path.basename(path), "") for path in paths]


def look(paths):
    return {path: digest(path, read(path)) for path in paths}


class Loop:
    """Reads files again and again in a thread."""

    def __init__(self, paths):
        self.stop = threading.Event()
        self.turns = 0
        self.seen = {path: [] for path in paths}  # digests, each once
        self.wrong = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            for path, seen in self.seen.items():
                try:
                    value = digest(path, read(path))
                    if value not in seen:
                        seen.append(value)
                except Exception as error:
                    self.wrong.append(f"{path}: {error!r}")
            self.turns += 1


loops = []


def start_loop(paths):
    loops.append(Loop(paths))


def turns():
    return loops[-1].turns


def stop_loop():
    """What it has seen, and what was wrong."""
    loop = loops.pop()
    loop.stop.set()
    loop.thread.join()
    return loop.seen, loop.wrong[:20]


def mount_fuse(path, subtype):
    """A file system that never answers, over a file."""
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=100444,user_id=0,group_id=0"
    checked(libc.mount(b"test", path.encode(), f"fuse.{subtype}".encode(), 0, options.encode()))


# --- for tests -----------------------------------------------------------------------------------

@contextlib.contextmanager
def inside(pid):
    """An agent in the container of a process."""
    agent = Agent()
    try:
        agent.call(enter, pid)
        yield agent
    finally:
        agent.end()


def listing(pid):
    """The mounts of a process on /proc and /sys, without what numbers they have."""
    rows = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return sorted(" ".join(row[2:6]) for row in rows if re.match("/(proc|sys)\\b", row[4]))


def attached(pid):
    """Where something of ctlfs is mounted, but for whole ones."""
    found = []
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] == "fuse.ctlfs" and fields[3] != "/":
            found.append(fields[4])
    return sorted(found)


def attach(case, *args):
    done = run_ctlfs("attach", "--json", *args)
    case.assertEqual((0, ""), (done.status, done.err), done)
    return json.loads(done.out)


def detach(case, pid):
    done = run_ctlfs("detach", "--json", pid)
    case.assertEqual((0, ""), (done.status, done.err), done)
    return json.loads(done.out)


def attach_cycle(case, mount, pid, want, tree="auto", rounds=5):
    """Attaches to the container of pid, checks that files in it have the digests of want, detaches,
    and that some times, while somebody reads there without a pause. want: {path: digest}."""
    views = views_of(mount)
    places = [*views, *([TREE] if tree == "yes" else [])]
    with inside(pid) as reader, inside(pid) as looker:
        paths = sorted({*files_of(views), *want})
        before, mounts = looker.call(look, paths), listing(pid)
        reader.call(start_loop, paths)
        for _ in range(rounds):
            for step in ("attached", "kept"):
                said = attach(case, "--mount", mount.point, "--tree", tree, pid)
                case.assertEqual(sorted(places), sorted(said[step]), said)
                case.assertEqual(sorted(places), attached(pid))
                now = looker.call(look, paths)
                case.assertEqual(want, {path: now[path] for path in want})
            turn = reader.call(turns)
            wait_for(lambda: reader.call(turns) > turn + 1, "the reader reads")
            case.assertEqual(sorted(places), sorted(detach(case, pid)["detached"]))
            case.assertEqual([], detach(case, pid)["detached"])
            case.assertEqual(before, looker.call(look, paths))
        seen, wrong = reader.call(stop_loop)
        case.assertEqual([], wrong)
        for path in want:
            case.assertIn(want[path], seen[path], path)
            case.assertLessEqual(set(seen[path]), {before[path], want[path]}, path)
        case.assertEqual(mounts, listing(pid))
