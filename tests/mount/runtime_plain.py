# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runtimes without hooks, bubblewrap and systemd-nspawn, in a cgroup that was made before: the
recipe and `ctlfs attach`."""
from harness import remove_cgroup, write
from runtimes import MEMORY, PERIOD, RuntimeCase
from test_hooks import IN_CGROUP


class PlainCase(RuntimeCase):
    def start_in(self, cgroup, *argv):
        """Starts a runtime in a cgroup, and what it limits above."""
        self.mkdir("ctr")
        write(self.real_at("ctr/memory.max"), str(MEMORY))
        write(self.real_at("ctr/cpu.max"), f"{PERIOD} {PERIOD}")
        if cgroup != "ctr":
            write(self.real_at("ctr/cgroup.subtree_control"), "+memory")
            self.mkdir(cgroup)
        return self.start("sh", "-c", IN_CGROUP, "sh", self.real_at(cgroup, "cgroup.procs"), *argv)


class Bubblewrap(PlainCase):
    def begin(self, cgroup, *options, tree=True):
        return self.start_in(
            cgroup, "bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net",
            "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *options,
            *self.program(tree))

    def test_binds(self):
        """bwrap's own processes stay where it was started: in a child of the container's cgroup."""
        options = self.binds("bwrap", "--cgroup", self.cgroup)
        self.check_report(self.begin("ctr/init.scope", *options))

    def test_attach(self):
        """bwrap's process outside would be in the way of children: nobody inside can move it."""
        self.check_attach(self.begin("ctr", "--ro-bind", self.real_at("ctr"), "/sys/fs/cgroup",
                                     tree=False), use=False)


class Nspawn(PlainCase):
    def begin(self, *options, tree=True):
        return self.start_in("ctr", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit",
                             "--pipe", "-D", self.rootfs(), *options, *self.program(tree))

    def test_binds(self):
        for options in ((), ("--private-network",)):
            with self.subTest(options=options):
                started = self.begin(*options, *self.binds("nspawn"), tree=False)
                self.check_report(started, tree=False)
                started.end(self.real)
                remove_cgroup(self.real_at("ctr"))

    def test_attach(self):
        self.check_attach(self.begin("--private-network", tree=False))
