# SPDX-License-Identifier: LGPL-2.1-or-later
"""Directories and files of the emulated tree through the VFS: names, attributes, what is refused,
reads and writes as the kernel's own. Expected results are those of Linux 6.12."""
import ctypes
import os
import socket
import stat

from agents import Agent, checked, libc
from harness import ROOT, MountCase, opened, outcome, read, root_only, write

GRANTED = "cgroup.subtree_control"


def with_umask(mask, function, *args):
    before = os.umask(mask)
    try:
        return function(*args)
    finally:
        os.umask(before)


def fallocate(fd, size):
    """The system call: the C library's posix_fallocate() would write instead."""
    checked(libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(size)))


def permissions(path):
    return f"{stat.S_IMODE(os.stat(path).st_mode):04o}"


class Names(MountCase):
    ROWS = (
        ("plain", "OK"),
        ("sp ace", "OK"),
        ("new\nline", "EINVAL"),
        ("newline at the end\n", "EINVAL"),
        ("tab\t", "OK"),
        ("\x01", "OK"),
        ("f\u00fcnf\u20ac", "OK"),
        (b"\xff\xfe", "OK"),
        ("back\\slash", "OK"),
        (".hidden", "OK"),
        ("a.slice", "OK"),
        ("cgroup.procs", "EEXIST"),
        ("cgroup.foo", "OK"),
        ("cgroup.", "OK"),
        ("memory.foo", "OK"),
        ("memory.max", "OK"),  # this cgroup has no memory controller, so no such file
        ("cpu", "OK"),
        ("..", "EEXIST"),
        (".", "EEXIST"),
        ("co:lon", "OK"),
        ("x (deleted)", "OK"),
        ("n" * 255, "OK"),
        ("n" * 256, "OK"),
        ("missing/x", "ENOENT"),
        ("cgroup.procs/x", "ENOTDIR"),
        ("plain", "EEXIST"),
        ("slash/", "OK"),
    )

    def test_mkdir(self):
        top = os.fsencode(self.at("top"))
        with_umask(0, os.mkdir, top)
        made = set()
        for name, want in self.ROWS:
            path = os.path.join(top, os.fsencode(name))
            with self.subTest(name=name):
                self.check(want, os.mkdir, path)
            if want == "OK":
                made.add(os.fsencode(name).rstrip(b"/"))
                self.assertTrue(os.path.isdir(path))
        listed = {e.name for e in os.scandir(top) if e.is_dir(follow_symlinks=False)}
        self.assertEqual(made, listed)
        for name in made:
            os.rmdir(os.path.join(top, name))
        self.assertEqual(2, os.stat(top).st_nlink)

    def test_mkdir_modes(self):
        rows = ((0o755, 0, "0755"), (0o700, 0, "0700"), (0o777, 0, "0777"), (0o000, 0, "0000"),
                (0o1777, 0, "1777"), (0o2755, 0, "0755"), (0o755, 0o077, "0700"))
        for number, (mode, mask, want) in enumerate(rows):
            with self.subTest(mode=oct(mode), umask=oct(mask)):
                path = self.at(f"d{number}")
                with_umask(mask, os.mkdir, path, mode)
                self.assertEqual(want, permissions(path))
                os.chmod(path, 0o755)  # an ordinary user needs it to look inside
                self.assertEqual("0644", permissions(path + "/cgroup.procs"))

    def test_listing(self):
        """A listing names what can be looked up, with its type and number."""
        self.mkdir("child")
        entries = list(os.scandir(self.top))
        self.assertEqual(len(entries), len({e.name for e in entries}))
        for entry in entries:
            attr = os.stat(entry.path)
            self.assertEqual(attr.st_ino, entry.inode(), entry.name)
            self.assertEqual(stat.S_ISDIR(attr.st_mode), entry.is_dir(), entry.name)
        names = {e.name for e in entries}
        self.assertLessEqual({"child", "cgroup.procs", "cgroup.events", "memory.max", "cpu.max",
                              "pids.max", "cpu.pressure", "cpu.stat"}, names)
        below = set(os.listdir(self.at("child")))
        self.assertLessEqual({"cgroup.procs", "cpu.stat", "cgroup.type"}, below)
        self.assertFalse({"memory.max", "cpu.max", "pids.max"} & below)
        at_root = set(os.listdir(self.mount.cgroup()))
        self.assertFalse({"cgroup.type", "cgroup.events", "cgroup.freeze", "cgroup.kill",
                          "memory.max", "cpu.max"} & at_root)

    def test_listing_again(self):
        """rewinddir() sees what was made in between."""
        with opened(self.top, os.O_RDONLY | os.O_DIRECTORY) as fd:
            self.assertNotIn("late", os.listdir(fd))
            self.mkdir("late")
            self.assertIn("late", os.listdir(fd))

    def test_rmdir(self):
        self.mkdir("a", "a/b")
        self.check("EBUSY", os.rmdir, self.at("a"))
        self.check("ENOTDIR", os.rmdir, self.at("a/cgroup.procs"))
        self.check("ENOENT", os.rmdir, self.at("nothing"))
        self.check("OK", os.rmdir, self.at("a/b"))
        self.check("OK", os.rmdir, self.at("a"))
        self.check("ENOENT", os.stat, self.at("a"))


class Attributes(MountCase):
    granted = "+memory"

    def test_root(self):
        attr = os.stat(self.mount.cgroup())
        # As the kernel has it for root; others own their mount and need the mode to use it.
        self.assertEqual("0555" if ROOT else "0755", permissions(self.mount.cgroup()))
        self.assertEqual(1, attr.st_ino)

    def shape(self, path):
        attr = os.stat(self.at(path))
        return (f"{attr.st_mode:06o} nlink {attr.st_nlink} size {attr.st_size} "
                f"blocks {attr.st_blocks} blksize {attr.st_blksize}")

    def test_shape(self):
        self.mkdir("d")
        os.chmod(self.at("d"), 0o755)
        rest = "size 0 blocks 0 blksize 4096"
        self.assertEqual(f"040755 nlink 2 {rest}", self.shape("d"))
        self.mkdir("d/one")
        self.assertEqual(f"040755 nlink 3 {rest}", self.shape("d"))
        self.mkdir("d/two")
        self.assertEqual(f"040755 nlink 4 {rest}", self.shape("d"))
        os.rmdir(self.at("d/two"))
        self.assertEqual(f"040755 nlink 3 {rest}", self.shape("d"))
        for name, mode in (("cgroup.procs", "100644"), ("cgroup.events", "100444"),
                           ("cgroup.kill", "100200"), ("memory.max", "100644"),
                           ("memory.current", "100444"), ("memory.peak", "100644")):
            with self.subTest(name=name):
                self.assertEqual(f"{mode} nlink 1 {rest}", self.shape("d/" + name))

    def test_owner(self):
        """What is made belongs to who made it, and so do its files."""
        self.mkdir("d")
        for path in ("d", "d/cgroup.procs", "d/memory.max"):
            attr = os.stat(self.at(path))
            self.assertEqual((os.geteuid(), os.getegid()), (attr.st_uid, attr.st_gid), path)

    def test_numbers(self):
        """Stable, one for each node, never used twice."""
        self.mkdir("d")
        numbers = {self.at("d", n): os.stat(self.at("d", n)).st_ino
                   for n in (".", *os.listdir(self.at("d")))}
        self.assertEqual(len(numbers), len(set(numbers.values())))
        for path, number in numbers.items():
            self.assertEqual(number, os.stat(path).st_ino)
        old = os.stat(self.at("d")).st_ino
        os.rmdir(self.at("d"))
        self.mkdir("d")
        self.assertNotIn(os.stat(self.at("d")).st_ino, {old, *numbers.values()})

    def test_times(self):
        """Writing, reading and mkdir change none."""
        def times(path):
            attr = os.stat(self.at(path))
            return attr.st_atime_ns, attr.st_mtime_ns, attr.st_ctime_ns
        before = times("."), times("memory.max")
        self.write("memory.max", "1G")
        self.read("memory.max")
        self.mkdir("d")
        os.listdir(self.top)
        self.assertEqual(before, (times("."), times("memory.max")))

    def test_change(self):
        """chmod and utimensat hold for each file."""
        self.mkdir("d")
        for path, mode in (("d/memory.max", 0o600), ("d/cgroup.procs", 0o664), ("d", 0o700)):
            os.chmod(self.at(path), mode)
            os.utime(self.at(path), ns=(10**9, 2 * 10**9))
            attr = os.stat(self.at(path))
            self.assertEqual(f"{mode:04o}", permissions(self.at(path)))
            self.assertEqual((10**9, 2 * 10**9), (attr.st_atime_ns, attr.st_mtime_ns))
        self.assertEqual("0644", permissions(self.at("d/memory.high")))
        self.assertEqual("0644", permissions(self.at("memory.max")))

    @root_only
    def test_chown(self):
        self.mkdir("d")
        os.chown(self.at("d/memory.max"), 65534, 65533)
        os.chown(self.at("d"), 65532, -1)
        attr = os.stat(self.at("d/memory.max"))
        self.assertEqual((65534, 65533), (attr.st_uid, attr.st_gid))
        attr = os.stat(self.at("d"))
        self.assertEqual((65532, os.getegid()), (attr.st_uid, attr.st_gid))
        self.assertEqual(os.geteuid(), os.stat(self.at("d/memory.high")).st_uid)


class Refused(MountCase):
    """What a cgroup file system does not do, and with which errno."""

    def test_table(self):
        self.mkdir("d", "e")
        file, missing, other = self.at("d/cgroup.procs"), self.at("d/new"), self.at("e")

        def bind_socket():
            with socket.socket(socket.AF_UNIX) as unix, opened(self.at("d"), os.O_PATH) as fd:
                unix.bind(f"/proc/self/fd/{fd}/new")  # a short name, as sun_path has 108 bytes

        rows = (
            ("EPERM", os.unlink, file),
            ("EISDIR", os.unlink, self.at("d")),
            ("EACCES", os.open, missing, os.O_CREAT | os.O_WRONLY),
            ("EACCES", os.mknod, missing, stat.S_IFREG | 0o644),
            ("EPERM", os.mkfifo, missing),
            ("EPERM", bind_socket),
            ("EPERM", os.symlink, "target", missing),
            ("EPERM", os.link, file, missing),
            ("EPERM", os.rename, self.at("d"), self.at("new")),
            ("EPERM", os.rename, file, missing),
            ("EPERM", os.rename, self.at("d"), other + "/d"),
            ("OK", os.rename, self.at("d"), self.at("d")),
            ("OK", os.rename, file, file),
            ("EINVAL", os.open, file, os.O_RDONLY | os.O_DIRECT),
            ("EISDIR", os.open, self.at("d"), os.O_WRONLY),
            ("ENOTDIR", os.listdir, file),
            ("ENOENT", os.open, missing, os.O_RDONLY),
        )
        for want, function, *args in rows:
            with self.subTest(function=function.__name__, args=args):
                self.check(want, function, *args)
        self.assertNotIn("new", os.listdir(self.at("d")))

    def test_on_descriptors(self):
        with opened(self.at("cgroup.max.depth"), os.O_RDWR) as fd:
            self.check("OK", os.fsync, fd)
            self.check("EOPNOTSUPP", fallocate, fd, 10)
        with opened(self.top, os.O_RDONLY | os.O_DIRECTORY) as fd:
            self.check("EINVAL", os.fsync, fd)

    @root_only
    def test_root_beyond_modes(self):
        """Opening works, and the file has no such operation."""
        self.check("EINVAL", write, self.at("cgroup.events"), "1")
        self.check("EINVAL", read, self.at("cgroup.kill"))

    def test_modes_for_others(self):
        agent = Agent(65534) if ROOT else Agent()
        self.addCleanup(agent.end)
        self.check("EACCES", agent.call, write, self.at("cgroup.events"), "1")
        self.check("EACCES", agent.call, read, self.at("cgroup.kill"))
        if ROOT:
            self.check("EACCES", agent.call, write, self.at("memory.max"), "1")
            self.check("EACCES", agent.call, os.mkdir, self.at("d"))
            self.check("EACCES", agent.call, os.rmdir, self.top)
            self.check("OK", agent.call, read, self.at("memory.max"))


class Writes(MountCase):
    def test_truncation_and_offsets(self):
        """Every write is one command, wherever it is said to go."""
        path = self.at("pids.max")
        for flags in (os.O_TRUNC, os.O_APPEND, 0):
            with self.subTest(flags=flags), opened(path, os.O_WRONLY | flags) as fd:
                os.write(fd, b"12")
                self.assertEqual("12\n", read(path))
                os.write(fd, b"34")
                self.assertEqual("34\n", read(path))
                os.pwrite(fd, b"56\n", 1000)
                self.assertEqual("56\n", read(path))
        self.check("OK", os.truncate, path, 0)
        self.check("OK", os.truncate, path, 100)
        self.assertEqual(0, os.stat(path).st_size)
        self.assertEqual("56\n", read(path))

    def test_one_command(self):
        path = self.at("pids.max")
        with opened(path, os.O_WRONLY) as fd:
            os.writev(fd, [b"1", b"0"])
            self.assertEqual("10\n", read(path))
            os.write(fd, b"20\0junk")
            self.assertEqual("20\n", read(path))
            self.assertEqual(0, os.write(fd, b""))
            self.check("EINVAL", os.write, fd, b"junk")
            self.check("E2BIG", os.write, fd, b" " * 4096 + b"1")
            self.check("OK", os.write, fd, b" " * 4095 + b"7")
        self.assertEqual("7\n", read(path))

    def test_parsers(self):
        """One of each kind, through the VFS; the tables have unit tests of their own."""
        rows = (
            ("pids.max", "0x10", "OK", "16\n"),
            ("pids.max", "-1", "EINVAL", "16\n"),
            ("pids.max", "max", "OK", "max\n"),
            ("memory.max", "1M", "OK", "1048576\n"),
            ("memory.max", " 5000\n", "OK", "4096\n"),
            ("memory.max", "1KB", "EINVAL", "4096\n"),
            ("memory.max", "max", "OK", "max\n"),
            ("memory.oom.group", "2", "EINVAL", "0\n"),
            ("cpu.max", "50000", "OK", "50000 100000\n"),
            ("cpu.max", "50000abc 20000", "OK", "50000 20000\n"),
            ("cpu.max", "999 20000", "EINVAL", "50000 20000\n"),
            ("cpu.weight", "0", "ERANGE", "100\n"),
            ("cpu.weight", " 1", "EINVAL", "100\n"),
            ("cpu.weight", "200", "OK", "200\n"),
            ("cpu.weight.nice", "19", "OK", "19\n"),
            ("cgroup.max.depth", "-1", "ERANGE", "max\n"),
            ("cgroup.max.depth", "2147483647", "OK", "max\n"),
            ("cgroup.type", "domain", "EINVAL", "domain\n"),
            ("cgroup.freeze", "2", "ERANGE", "0\n"),
            ("cgroup.pressure", "0", "OK", "0\n"),
        )
        for name, text, want, after in rows:
            with self.subTest(name=name, text=text):
                self.check(want, write, self.at(name), text)
                self.assertEqual(after, self.read(name))

    def test_pressure_switch(self):
        self.write("cgroup.pressure", "0")
        self.assertNotIn("cpu.pressure", os.listdir(self.top))
        self.check("ENOENT", read, self.at("cpu.pressure"))
        self.write("cgroup.pressure", "1")
        self.assertIn("cpu.pressure", os.listdir(self.top))
        self.assertTrue(self.read("cpu.pressure").startswith("some avg10="))


class Reads(MountCase):
    granted = "+memory"

    def test_parts(self):
        whole = self.read("memory.stat").encode()
        with opened(self.at("memory.stat")) as fd:
            parts = []
            while part := os.read(fd, 7):
                parts.append(part)
            self.assertEqual(whole, b"".join(parts))
            self.assertEqual(whole[10:15], os.pread(fd, 5, 10))
            os.lseek(fd, 3, os.SEEK_SET)
            self.assertEqual(whole[3:8], os.read(fd, 5))
            self.assertEqual(b"", os.pread(fd, 5, len(whole)))

    def test_snapshot(self):
        """One from each read at 0, whatever changes in between."""
        self.write("memory.max", str(1 << 20))
        with opened(self.at("memory.max")) as fd:
            self.assertEqual(b"10", os.read(fd, 2))
            self.write("memory.max", "max")
            self.assertEqual(b"48576\n", os.read(fd, 100))
            self.assertEqual(b"max\n", os.pread(fd, 100, 0))
            self.assertEqual(b"x\n", os.pread(fd, 100, 2))

    def test_removed(self):
        """The rest of what was begun; else nothing more works on the file."""
        self.mkdir("d")
        with opened(self.at("d/memory.stat")) as begun, \
                opened(self.at("d/memory.max"), os.O_RDWR) as other, \
                opened(self.at("d"), os.O_RDONLY | os.O_DIRECTORY) as directory:
            whole = self.read("d/memory.stat").encode()
            first = os.read(begun, 5)
            os.rmdir(self.at("d"))
            self.assertEqual(whole, first + os.read(begun, 1 << 16))
            self.check("ENODEV", os.pread, begun, 10, 0)
            self.check("ENODEV", os.read, other, 10)
            self.check("ENODEV", os.write, other, b"1")
            self.check("ENODEV", os.open, f"/proc/self/fd/{other}", os.O_RDONLY)
            self.check("ENOENT", os.open, "cgroup.procs", os.O_RDONLY, dir_fd=directory)
            self.check("ENOENT", os.mkdir, "x", dir_fd=directory)
            # The kernel remembers the attributes of what is gone; FUSE asks, and is told.
            self.assertIn(outcome(os.listdir, directory), ("OK", "ENODEV"))

    def test_removed_and_made_again(self):
        """An old file never answers for the new cgroup; nor one of a controller's former life."""
        self.mkdir("d")
        with opened(self.at("d/cgroup.max.depth"), os.O_RDWR) as old:
            os.rmdir(self.at("d"))
            self.mkdir("d")
            self.check("ENODEV", os.read, old, 10)
            self.check("ENODEV", os.write, old, b"1")
        with opened(self.at("d/memory.max"), os.O_RDWR) as old:
            self.write("d/memory.max", "1M")
            self.write(GRANTED, "-memory")
            self.check("ENOENT", os.stat, self.at("d/memory.max"))
            self.check("ENODEV", os.read, old, 10)
            self.write(GRANTED, "+memory")
            self.assertEqual("max\n", self.read("d/memory.max"))
            self.check("ENODEV", os.write, old, b"1")

    def test_controller_files(self):
        """They come and go with the parent's subtree_control, and are seen at once."""
        self.mkdir("d")
        self.assertEqual("max\n", self.read("d/memory.max"))
        self.assertEqual("memory\n", self.read("d/cgroup.controllers"))
        self.write(GRANTED, "-memory")
        self.check("ENOENT", read, self.at("d/memory.max"))
        self.assertEqual("", self.read("d/cgroup.controllers"))
        self.write(GRANTED, "+pids")
        self.assertEqual("max\n", self.read("d/pids.max"))

    def test_directory_in_the_way(self):
        """A child named like a file to come makes enabling fail, and roll back."""
        self.write(GRANTED, "-memory")
        self.mkdir("d", "d/pids.max")
        self.write(GRANTED, "+memory")
        self.assertNotEqual("OK", outcome(write, self.at(GRANTED), "+pids"))
        self.assertEqual("memory\n", self.read(GRANTED))
        self.assertTrue(os.path.isdir(self.at("d/pids.max")))
        self.assertNotIn("pids.current", os.listdir(self.at("d")))

    def test_ctl_and_views_are_read_only(self):
        procfs = outcome(write, "/proc/meminfo", "1")
        for path, want in (("ctl/version", "EACCES"), ("proc/meminfo", procfs)):
            self.check(want, write, self.mount.path(path), "1")
        self.assertNotEqual("OK", outcome(os.mkdir, self.mount.path("new")))
