# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of all container runtimes share: a root directory, a container's first program and
what it must see, and that the machine's own cgroup mount is not touched.

A container has the VM's /usr: all programs are there, and no image has to be made."""
import contextlib
import errno
import os
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

from containers import TREE, attach, attach_cycle, detach
from harness import CTLFS, DEADLINE, environment, read, run_program, tool, wait_for, write
from kernel_backend import CGROUPS, KernelCase

MEMORY, PERIOD = 128 << 20, 100000
SEEN = {"free": f"{MEMORY >> 10}", "getconf": "1", "cpuinfo": "1", "online": "0", "done": "yes"}
REFUSED = {"memory.max max": "EPERM", "cpu.max max": "EPERM", "child/memory.max bogus": "EINVAL",
           "child/cgroup.subtree_control +memory": "EBUSY", "child/cgroup.events 1": "EINVAL",
           "child/cgroup.procs 4194304": "ESRCH"}
USED = {"cgroup.subtree_control +memory": "OK", "child/memory.max 32M": "OK",
        "child": f"{32 << 20}", "moved": "OK", "member": "yes", "place": "yes",
        **{what: os.strerror(getattr(errno, name)) for what, name in REFUSED.items()}}
# As attach_cycle() digests them.
WANT = {"/proc/meminfo": MEMORY >> 10, "/proc/cpuinfo": 1, "/proc/stat": 1,
        "/sys/devices/system/cpu/online": "0\n"}
ROOTFS = """set -e
mount -t tmpfs -o mode=755 rootfs "$1"; cd "$1"; mount --make-private "$1"
mkdir dev etc proc root run sys tmp usr; chown -R "$2:$2" .
for name in bin lib lib64 sbin; do ln -s usr/$name $name; done
mount --bind /usr usr; mount --make-private usr; mount -o remount,bind,ro usr"""
PROGRAM = Path(__file__).with_name("inside.sh").read_text()


def cgroup_mount():
    """The machine's cgroup2 mounts, with all their options."""
    return [line.split(" ", 2)[2] for line in read("/proc/self/mountinfo").splitlines()
            if " - cgroup2 " in line]


class Started:
    """A runtime's process, and its container's first program."""

    def __init__(self, argv, mark, **kwargs):
        self.mark = mark
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.argv = argv
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.out,
                                        stderr=self.err, **{"env": environment(), **kwargs})

    def said(self):
        return os.pread(self.out.fileno(), 1 << 16, 0).decode()

    def report(self, end="done: yes\n"):
        """What the program has told; fails if the runtime has ended instead."""
        def told():
            ended = self.process.poll() is not None
            if end in self.said():
                return True
            if ended and not self.pids():
                raise AssertionError(f"{self.argv}: ended with {self.process.returncode}\n"
                                     f"{self.said()}\n{self.complaint()}")
            return False
        wait_for(told, f"the container's report: {self.said()}\n{self.complaint()}")
        return dict(line.split(": ", 1) for line in self.said().splitlines() if ": " in line)

    def complaint(self):
        return os.pread(self.err.fileno(), 1 << 16, 0).decode(errors="replace")

    def pids(self):
        """Of the program, seen from the host: no other has the mark where it has it."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, IndexError):
                argv = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
                if argv[:2] == [b"/bin/bash", b"-c"] and argv[3] == self.mark.encode():
                    found.append(int(name))
        return found

    def end(self, cgroup):
        """With all that runs in a cgroup: a runtime's helpers wait for the last process."""
        if self.out.closed:
            return
        write(cgroup + "/cgroup.kill", "1")
        self.process.wait(DEADLINE)
        self.out.close()
        self.err.close()


class Containers:
    """What the tests of a runtime do. self.name is the container's, self.cgroup its path in the
    tree; all that belongs to a test runs below self.real."""
    other = {}  # what comes of using the tree that is not as for root
    mount_point = "/run/ctlfs"  # as the service has it: where hooks look

    @classmethod
    def keep_mount(cls):
        """Fails at the end of the class if the machine's cgroup mount is not as it was."""
        cls.addClassCleanup(cls.check_mount, cgroup_mount())

    @classmethod
    def check_mount(cls, before):
        if before != cgroup_mount():
            raise AssertionError(f"{before} has become {cgroup_mount()}")

    def setUp(self):
        before = cgroup_mount()
        self.assertRegex(before[0], "nsdelegate.*memory_recursiveprot")
        self.addCleanup(lambda: self.assertEqual(before, cgroup_mount()))
        super().setUp()
        self.name = f"ctlfs-{uuid.uuid4().hex[:12]}"
        self.dir = tempfile.mkdtemp(prefix="runtime.")
        os.chmod(self.dir, 0o755)

    def rootfs(self, owner=0):
        """A root directory: the VM's /usr, and places to mount on."""
        root = tempfile.mkdtemp(prefix="rootfs.", dir=self.dir)
        self.addCleanup(run_program, ["umount", "-R", "-l", root])
        self.run_tool("sh", "-c", ROOTFS, "sh", root, owner)
        return root

    def binds(self, name, *options):
        """A recipe, as words."""
        return self.run_tool(CTLFS, "binds", "--format", name, *options).split()

    def program(self, tree=True):
        return ["/bin/bash", "-c", PROGRAM, self.name, *(["tree"] if tree else [])]

    def start(self, *argv, **kwargs):
        started = Started([tool(argv[0]), *map(str, argv[1:])], self.name, **kwargs)
        self.addCleanup(started.end, self.real)
        return started

    def run_tool(self, *argv, **kwargs):
        done = run_program([tool(argv[0]), *map(str, argv[1:])], **kwargs)
        self.assertEqual(0, done.status, done)
        return done.out

    def check_report(self, started, tree=True):
        """The limits are seen, and the tree is the container's."""
        used = {**USED, **self.other} if tree else {}
        self.assertEqual({**SEEN, **used}, started.report())

    def check_attach(self, started, use=True):
        """Of a container that began without anything of ours. use: it then uses the tree, too."""
        report = started.report()
        self.assertGreater(int(report["free"]), MEMORY >> 10)
        self.assertEqual(str(os.cpu_count()), report["cpuinfo"])
        # Its shell may just be making a child, which is called as itself at first.
        wait_for(lambda: len(started.pids()) == 1, "there is one such process")
        pid, = started.pids()
        want = {**WANT, TREE + "/cgroup.type": "domain\n"}
        attach_cycle(self, self.mount, pid, want, tree="yes", rounds=1)
        if not use:
            return
        attach(self, "--mount", self.mount.point, "--tree", "yes", pid)
        os.kill(pid, signal.SIGUSR1)
        self.assertEqual({**SEEN, **USED, **self.other, "again": "yes"},
                         started.report("again: yes\n"))
        detach(self, pid)


class RuntimeCase(Containers, KernelCase):
    """In cgroups that the test makes."""
    modes = ("runtimes",)

    @classmethod
    def setUpClass(cls):
        # As systemd mounts it, so that an option lost would be seen.
        run_program(["mount", "-o", "remount,nsdelegate,memory_recursiveprot", CGROUPS])
        cls.keep_mount()
        super().setUpClass()
        # The first limit has the kernel patch its scheduler's code, the end of the last one patch
        # it back, which the emulated machine does not always survive: it is done once.
        os.makedirs(CGROUPS + "/limited", exist_ok=True)
        write(CGROUPS + "/limited/cpu.max", f"{PERIOD} {PERIOD}")

    def setUp(self):
        super().setUp()
        self.cgroup = f"/{os.path.basename(self.top)}/ctr"
