# SPDX-License-Identifier: LGPL-2.1-or-later
"""Without root, on a delegated part of the tree as user@.service has it: Podman, under the ctlfs of
the machine; and ctlfs itself, whose backend is that part."""
import errno
import os
import tempfile

from harness import CTLFS, is_mounted, read, run_program, tool, unmount, wait_for
from runtime_podman import Podman
from runtimes import MEMORY, PERIOD, RuntimeCase
from test_hooks import IN_CGROUP

USER, SUBORDINATES = 4711, "4711:200000:65536\n"
DELEGATED = ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control")


# The mode of a file holds for him, and for root of his user namespaces.
AS_USER = {"child/cgroup.events 1": os.strerror(errno.EACCES)}
# In a cgroup of his that he makes, and limits.
MAKE = """set -e
mkdir "$1" "$1/init.scope"; echo "$2" >"$1/memory.max"; echo "$3 $3" >"$1/cpu.max"
echo +memory >"$1/cgroup.subtree_control"; echo 0 >"$1/init.scope/cgroup.procs"
shift 3; exec "$@\""""


def make_user():
    """In the VM, which nobody has seen before."""
    if f":{USER}:" in read("/etc/passwd"):
        return
    for name, line in (("passwd", f"ctlfs-user:x:{USER}:{USER}::/nonexistent:/bin/sh\n"),
                       ("shadow", "ctlfs-user:*:20000::::::\n"),
                       ("subuid", SUBORDINATES), ("subgid", SUBORDINATES)):
        with open("/etc/" + name, "a", encoding="ascii") as file:
            file.write(line)


class RootlessCase(RuntimeCase):
    """self.top is the user's; his shell is in the child "shell"."""
    other = AS_USER

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        make_user()

    def setUp(self):
        super().setUp()
        self.top_name = os.path.dirname(self.cgroup)
        for name in DELEGATED:
            os.chown(self.real_at(name), USER, USER)
        self.mkdir("shell")
        for name in DELEGATED:
            os.chown(self.real_at("shell", name), USER, USER)
        os.chown(self.dir, USER, USER)
        self.env = {"PATH": os.environ["PATH"], "HOME": self.dir, "XDG_RUNTIME_DIR": self.dir,
                    "USER": "ctlfs-user", "TMPDIR": self.dir}

    def as_user(self, *argv):
        return [tool("sh"), "-c", IN_CGROUP, "sh", self.real_at("shell/cgroup.procs"),
                tool("setpriv"), f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                tool(argv[0]), *map(str, argv[1:])]


class PodmanOfUser(Podman, RootlessCase):
    user = USER

    def parent(self):
        return "--cgroups", "split"


class Daemon(RootlessCase):
    """The user's own ctlfs on his part of the tree, and bubblewrap."""

    def setUp(self):
        super().setUp()
        self.point = tempfile.mkdtemp(dir=self.dir)
        os.chown(self.point, USER, USER)
        self.addCleanup(unmount, self.point)
        daemon = self.start(*self.as_user(
            CTLFS, "mount", "-f", "--backend", "kernel", "--root", self.top_name, self.point),
            env=self.env, cwd="/")

        def serves():
            self.assertIsNone(daemon.process.poll(), daemon.complaint())
            return is_mounted(self.point)
        wait_for(serves, "the user's mount")

    def test_tree_and_views(self):
        """Limits that he sets through it are those his container sees, and it has a tree."""
        options = self.binds("bwrap", "--mount", self.point, "--cgroup", "/ctr")
        started = self.start(*self.as_user(
            "sh", "-c", MAKE, "sh", self.point + "/cgroup/ctr", MEMORY, PERIOD, tool("bwrap"),
            "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--dev", "/dev", "--proc",
            "/proc", *options, *self.program()), env=self.env, cwd="/")
        self.check_report(started)

    def test_refused(self):
        """What is not delegated to him stays the machine's."""
        script = 'cd "$1/cgroup"; for text in max 1G; do echo $text >memory.max; done; '
        done = run_program(self.as_user("bash", "-c", script + "rmdir shell; ls /run/ctlfs/cgroup "
                                        ">/dev/null && echo seen", "sh", self.point), env=self.env)
        self.assertEqual("seen\n", done.out, done)
        self.assertEqual(["Permission denied"] * 2 + ["Device or resource busy"],
                         [line.rpartition(": ")[2] for line in done.err.splitlines()], done)
        self.check("EACCES", os.listdir, self.point)

    def test_other_namespace(self):
        """It cannot enter a cgroup namespace, and says so; nothing is done."""
        done = run_program(self.as_user(
            "bwrap", "--unshare-user", "--unshare-cgroup", "--bind", "/", "/", "mkdir",
            self.point + "/cgroup/shell/x"), env=self.env, cwd="/")
        self.assertIn("Permission denied", done.err, done)
        self.assertFalse(os.path.exists(self.real_at("shell/x")))
        told = run_program(self.as_user("cat", self.point + "/ctl/errors"), env=self.env).out
        self.assertRegex(told, r"container of process \d+ cannot be found: Operation not permitted")
