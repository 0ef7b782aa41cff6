# SPDX-License-Identifier: LGPL-2.1-or-later
"""Eight threads at once on one emulator: cgroups made and removed, files written and read,
processes moved, frozen, killed. What it looks for are answers that no order of the calls explains,
calls that never return, and under `make tsan` races. CTLFS_STRESS_SECONDS says how long."""
import errno
import os
import random
import select
import subprocess
import threading
import time

from harness import Case, Mount, keyed, read, remove_cgroup, write

SECONDS = float(os.environ.get("CTLFS_STRESS_SECONDS", "3"))
THREADS = 8
# What may be said of a cgroup or a process that another thread has just changed.
EXPECTED = {errno.ENOENT, errno.ENODEV, errno.EBUSY, errno.EEXIST, errno.EINVAL, errno.ESRCH,
            errno.EOPNOTSUPP, errno.EAGAIN}
WRITES = (
    ("cgroup.subtree_control", ("+memory +pids", "-memory", "+cpu", "-pids -cpu")),
    ("memory.max", ("1G", "max", "256M")), ("memory.peak", ("0",)),
    ("cpu.max", ("50000 100000", "max")), ("cpu.weight", ("1", "10000")),
    ("pids.max", ("100", "max")),
    ("cgroup.freeze", ("1", "0", "0")), ("cgroup.type", ("threaded",)), ("cgroup.kill", ("1",)),
    ("cgroup.max.depth", ("3", "max")), ("cgroup.pressure", ("0", "1")),
    ("memory.high", ("64M", "max")), ("memory.pressure", ("some 150000 1000000",)),
)


class Worker(threading.Thread):
    def __init__(self, top, seed, until):
        super().__init__(daemon=True)
        self.top, self.until, self.random = top, until, random.Random(seed)
        self.count, self.unexpected, self.children, self.open = 0, [], [], []

    def pick(self):
        """A cgroup that may be there: few names, so that threads meet."""
        depth = self.random.choice((1, 1, 2, 3))
        return os.path.join(self.top, *(self.random.choice("abc") for _ in range(depth)))

    def make(self):
        os.mkdir(self.pick())

    def remove(self):
        os.rmdir(self.pick())

    def write(self):
        name, texts = self.random.choice(WRITES)
        write(os.path.join(self.pick(), name), self.random.choice(texts))

    def read(self):
        path = self.pick()
        names = os.listdir(path)
        if names:  # else it has just been removed
            read(os.path.join(path, self.random.choice(names)))

    def spawn(self):
        if len(self.children) < 3:
            self.children.append(subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL))
        child = self.random.choice(self.children)
        if child.poll() is not None:
            self.children.remove(child)
            return
        write(os.path.join(self.pick(), "cgroup.procs"), str(child.pid))

    def keep(self):
        """Files that stay open while their cgroup goes."""
        path = os.path.join(self.pick(), self.random.choice(("cgroup.events", "memory.events")))
        self.open.append(os.open(path, os.O_RDONLY))
        poller = select.poll()
        poller.register(self.open[-1], select.POLLPRI)
        poller.poll(2)
        if len(self.open) > 4:
            os.close(self.open.pop(0))
        os.pread(self.open[0], 4096, 0)

    def rights(self):
        path = self.pick()
        os.chmod(path, self.random.choice((0o755, 0o711)))
        os.stat(path)

    def step(self):
        kinds = (self.make, self.remove, self.write, self.read, self.spawn, self.keep, self.rights)
        kind = self.random.choices(kinds, (4, 3, 6, 6, 2, 1, 1))[0]
        try:
            kind()
        except IsADirectoryError:
            pass
        except OSError as error:
            if error.errno not in EXPECTED:
                self.unexpected.append(f"{kind.__name__}: {error}")
        except Exception as error:  # a thread's death must not go unseen
            self.unexpected.append(f"{kind.__name__}: {error!r}")

    def run(self):
        try:
            while time.monotonic() < self.until and len(self.unexpected) < 10:
                self.step()
                self.count += 1
        finally:
            for fd in self.open:
                os.close(fd)

    def end(self):
        for child in self.children:
            child.kill()
            child.wait()


class Stress(Case):
    def test_eight_threads(self):
        with Mount() as mount:
            every = read(mount.cgroup("cgroup.controllers")).split()
            write(mount.cgroup("cgroup.subtree_control"), " ".join(f"+{name}" for name in every))
            top = mount.cgroup("top")
            os.mkdir(top)
            workers = [Worker(top, seed, time.monotonic() + SECONDS) for seed in range(THREADS)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(SECONDS + 60)
            stuck = [worker for worker in workers if worker.is_alive()]
            for worker in workers:
                worker.end()
            self.assertFalse(stuck, "a call does not return")
            self.assertEqual([], sum((worker.unexpected for worker in workers), []))
            print(f"        {sum(worker.count for worker in workers)} operations", flush=True)
            remove_cgroup(top)
            stat = keyed(read(mount.cgroup("cgroup.stat")))
            self.assertEqual((0, 0), (int(stat["nr_descendants"]),
                                      int(stat["nr_dying_descendants"])))
