# SPDX-License-Identifier: LGPL-2.1-or-later
"""Extended attributes, and what can still be done with a cgroup that is gone but open. Results are
those of kernfs in Linux 6.12."""
import os

from agents import Agent
from harness import KERNEL, ROOT, MountCase, opened, outcome, read, root_only

CREATE, REPLACE = os.XATTR_CREATE, os.XATTR_REPLACE


class Xattrs(MountCase):
    granted = "+pids"

    def setUp(self):
        super().setUp()
        self.mkdir("d")

    def test_directories_and_files(self):
        for path in map(self.at, ("d", "d/cgroup.procs", "d/pids.max", "d/cgroup.type")):
            with self.subTest(path=path):
                self.check("ENODATA", os.getxattr, path, "user.a")
                self.check("ENODATA", os.removexattr, path, "user.a")
                self.check("ENODATA", os.setxattr, path, "user.a", b"x", REPLACE)
                self.check("OK", os.setxattr, path, "user.a", b"\0bytes\xff")
                self.check("EEXIST", os.setxattr, path, "user.a", b"x", CREATE)
                self.check("OK", os.setxattr, path, "user.empty", b"", CREATE)
                self.assertEqual(b"\0bytes\xff", os.getxattr(path, "user.a"))
                self.assertEqual(b"", os.getxattr(path, "user.empty"))
                self.assertEqual(["user.empty", "user.a"], os.listxattr(path))
                self.check("OK", os.setxattr, path, "user.a", b"new", REPLACE)
                self.assertEqual(b"new", os.getxattr(path, "user.a"))
                self.check("OK", os.removexattr, path, "user.a")
                self.check("OK", os.removexattr, path, "user.empty")
                self.assertEqual([], os.listxattr(path))

    def test_kinds(self):
        path = self.at("d")
        self.check("EOPNOTSUPP", os.setxattr, path, "other.a", b"x")
        self.check("EOPNOTSUPP", os.getxattr, path, "other.a")
        self.check("EINVAL" if KERNEL >= (6, 2) else "EOPNOTSUPP",
                   os.setxattr, path, "system.posix_acl_access", b"x")
        acl = bytes.fromhex("02000000 01000600ffffffff 04000400ffffffff 20000400ffffffff")
        self.check("EOPNOTSUPP", os.setxattr, path, "system.posix_acl_access", acl)
        self.check("EINVAL", os.setxattr, path, "user.", b"x")
        self.check("OK" if ROOT else "EPERM", os.setxattr, path, "trusted.a", b"x")
        # The running kernel's to say, before it asks us: Debian's 6.1 lets its owner.
        self.check("OK" if ROOT or KERNEL < (6, 2) else "EPERM",
                   os.setxattr, path, "security.a", b"x")

    @root_only
    def test_others(self):
        """See no trusted attributes, and write where they may write."""
        path, own = self.at("d"), self.at("d/cgroup.procs")
        for name in ("security.s", "trusted.t", "user.u"):
            os.setxattr(path, name, b"1")
        os.chown(own, 65534, -1)
        agent = Agent(65534)
        self.addCleanup(agent.end)
        self.assertEqual(["user.u", "trusted.t", "security.s"], os.listxattr(path))
        self.assertEqual(["user.u", "security.s"], agent.call(os.listxattr, path))
        self.check("EACCES", agent.call, os.setxattr, path, "user.v", b"1")
        self.check("OK", agent.call, os.setxattr, own, "user.v", b"1")

    def test_bounds(self):
        """Of users' attributes, for each file: 128, and 128 KiB; replacing needs room for both."""
        path = self.at("d")
        for n in range(128):
            os.setxattr(path, f"user.{n}", b"x")
        self.check("ENOSPC", os.setxattr, path, "user.one.more", b"x")
        self.check("ENOSPC", os.setxattr, path, "user.1", b"y")
        os.removexattr(path, "user.1")
        self.check("OK", os.setxattr, path, "user.one.more", b"x")
        if ROOT:
            self.check("OK", os.setxattr, path, "trusted.t", b"x")
        path = self.at("d/cgroup.procs")
        self.check("OK", os.setxattr, path, "user.a", b"x" * 65536)
        self.check("E2BIG", os.setxattr, path, "user.b", b"x" * 65537)
        self.check("OK", os.setxattr, path, "user.b", b"x" * 65536)
        self.check("ENOSPC", os.setxattr, path, "user.c", b"x")
        self.check("OK", os.setxattr, path, "user.c", b"")
        self.assertEqual(b"x" * 65536, os.getxattr(path, "user.b"))

    def test_gone_with_the_cgroup(self):
        os.setxattr(self.at("d"), "user.a", b"1")
        os.setxattr(self.at("d/cgroup.procs"), "user.a", b"1")
        os.rmdir(self.at("d"))
        self.mkdir("d")
        self.assertEqual([], os.listxattr(self.at("d")))
        self.assertEqual([], os.listxattr(self.at("d/cgroup.procs")))

    def test_not_on_views(self):
        want = "EOPNOTSUPP" if ROOT else "EACCES"
        self.check(want, os.setxattr, self.mount.path("proc/meminfo"), "user.a", b"1")
        self.assertEqual([], os.listxattr(self.mount.path("proc/meminfo")))


class Removed(MountCase):
    """A cgroup that is gone, through descriptors of before."""
    granted = "+memory"

    def setUp(self):
        super().setUp()
        self.mkdir("d")

    def same(self, before, fd):
        after = os.fstat(fd)
        for field in ("st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_size"):
            self.assertEqual(getattr(before, field), getattr(after, field), field)

    def test_directory(self):
        for flags in (os.O_RDONLY | os.O_DIRECTORY, os.O_PATH | os.O_DIRECTORY):
            with self.subTest(flags=flags), opened(self.at("d"), flags) as fd:
                before = os.fstat(fd)
                os.rmdir(self.at("d"))
                self.same(before, fd)
                self.check("ENOENT", os.open, "cgroup.procs", os.O_RDONLY, dir_fd=fd)
                self.check("ENOENT", os.stat, "cgroup.procs", dir_fd=fd)
                self.check("ENOENT", os.mkdir, "x", dir_fd=fd)
                self.check("ENOENT", os.rmdir, "x", dir_fd=fd)
                self.assertEqual([], os.listdir(f"/proc/self/fd/{fd}"))
                if not flags & os.O_PATH:
                    self.assertEqual([], os.listdir(fd))
                self.mkdir("d")
                self.same(before, fd)
                self.assertNotEqual(before.st_ino, os.stat(self.at("d")).st_ino)

    def test_attributes_of_directory(self):
        with opened(self.at("d"), os.O_RDONLY | os.O_DIRECTORY) as fd:
            os.setxattr(fd, "user.a", b"1")
            os.rmdir(self.at("d"))
            self.check("OK", os.fchmod, fd, 0o700)
            self.assertEqual(0o40700, os.fstat(fd).st_mode)
            self.assertEqual(b"1", os.getxattr(fd, "user.a"))
            self.check("OK", os.setxattr, fd, "user.b", b"2")

    def test_files(self):
        with opened(self.at("d/memory.max"), os.O_RDWR) as fd, \
                opened(self.at("d/cgroup.procs"), os.O_PATH) as path:
            before, before_path = os.fstat(fd), os.fstat(path)
            os.rmdir(self.at("d"))
            self.same(before, fd)
            self.same(before_path, path)
            self.check("ENODEV", os.read, fd, 1)
            self.check("ENODEV", os.open, f"/proc/self/fd/{path}", os.O_RDONLY)

    def test_working_directory(self):
        """A process stays in a cgroup's directory that is gone."""
        agent = Agent()
        self.addCleanup(agent.end)
        agent.call(os.chdir, self.at("d"))
        os.rmdir(self.at("d"))
        self.check("ENOENT", agent.call, read, "cgroup.procs")
        self.assertEqual([], agent.call(os.listdir, "."))
        self.check("OK", agent.call, os.stat, ".")

    def test_many(self):
        """One that is open is found among those that nobody has."""
        with opened(self.at("d"), os.O_RDONLY | os.O_DIRECTORY) as fd:
            os.rmdir(self.at("d"))
            for _ in range(300):
                self.mkdir("x")
                os.stat(self.at("x/cgroup.procs"))
                os.rmdir(self.at("x"))
            self.assertEqual("OK", outcome(os.fstat, fd))
