# SPDX-License-Identifier: LGPL-2.1-or-later
"""System calls on files and directories that few use, as kernfs in Linux 6.12 answers them."""
import ctypes
import mmap
import os
import socket
import time

from agents import Agent, checked, libc
from harness import ROOT, MountCase, opened, read, write

RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
AT_FDCWD = -100


def rename(old, new, flags):
    checked(libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags))


def map_file(path, flags):
    with opened(path) as fd:
        address = libc_mmap(None, mmap.PAGESIZE, mmap.PROT_READ, flags, fd, 0)
        if address == ctypes.c_void_p(-1).value:
            checked(-1)


libc_mmap = libc.mmap
libc_mmap.restype = ctypes.c_void_p
libc_mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                      ctypes.c_long)


class Files(MountCase):
    granted = "+memory +pids"

    def setUp(self):
        super().setUp()
        self.mkdir("d")

    def test_rename(self):
        """To itself it is nothing; there is no other."""
        old, new = self.at("d"), self.at("e")
        self.check("OK", rename, old, old, 0)
        self.check("EPERM", rename, old, new, 0)
        self.check("EINVAL", rename, old, new, RENAME_NOREPLACE)
        self.check("EEXIST", rename, old, old, RENAME_NOREPLACE)
        self.mkdir("e")
        self.check("EINVAL", rename, old, new, RENAME_EXCHANGE)
        self.check("EPERM", rename, self.at("d/pids.max"), self.at("d/x"), 0)
        self.check("ENOENT", rename, self.at("missing"), new, 0)

    def test_mmap(self):
        self.check("ENODEV", map_file, self.at("d/pids.max"), mmap.MAP_SHARED)

    def test_seek(self):
        with opened(self.at("d/memory.max"), os.O_RDWR) as fd:
            self.assertEqual(2, os.lseek(fd, 2, os.SEEK_SET))
            self.assertEqual(b"x\n", os.read(fd, 10))
            self.assertEqual(0, os.lseek(fd, 0, os.SEEK_END))
            self.check("EINVAL", os.lseek, fd, -1, os.SEEK_SET)
            os.lseek(fd, 3, os.SEEK_SET)
            os.write(fd, b"4096")
            self.assertEqual("4096\n", self.read("d/memory.max"))

    def test_locks_and_access(self):
        with opened(self.at("d/pids.max"), os.O_RDWR) as fd:
            self.check("OK", os.lockf, fd, os.F_LOCK, 0)
            self.check("OK", os.fdatasync, fd)
        self.assertTrue(os.access(self.at("d/pids.max"), os.W_OK))
        self.assertFalse(os.access(self.at("d/pids.max"), os.X_OK))
        self.assertEqual(ROOT, os.access(self.at("d/cgroup.kill"), os.R_OK))

    def test_empty_and_long(self):
        """A write of nothing does nothing; one of 4096 bytes is one command, of 4097 too long."""
        rows = ((b"", "OK"), (b"\n", "EINVAL"), (b"\0" + b"1", "EINVAL"), (b"7\0x", "OK"),
                (b"8".rjust(4096), "OK"), (b"9".rjust(4097), "E2BIG"),
                (b"1" + b"\0" * 4095, "OK"), (b"1" + b"\0" * 4096, "E2BIG"),
                (b"x" * 65536, "E2BIG"))
        with opened(self.at("d/pids.max"), os.O_WRONLY) as fd:
            for text, want in rows:
                with self.subTest(text=text[:8], length=len(text)):
                    self.check(want, os.write, fd, text)
            self.assertEqual("1\n", self.read("d/pids.max"))
            self.assertEqual(2, os.writev(fd, [b"1", b"0"]))
            self.assertEqual("10\n", self.read("d/pids.max"))
        with opened(self.at("d/pids.max"), os.O_WRONLY | os.O_APPEND | os.O_TRUNC) as fd:
            self.assertEqual("10\n", self.read("d/pids.max"))
            os.pwrite(fd, b"11", 1 << 40)
        self.assertEqual("11\n", self.read("d/pids.max"))

    def test_names_beyond_255(self):
        """kernfs takes longer ones than stat(2) of other file systems; FUSE has a bound too."""
        self.check("OK", os.mkdir, self.at("n" * 300))
        self.assertIn("n" * 300, os.listdir(self.top))
        self.check("OK", os.rmdir, self.at("n" * 300))
        self.check("ENAMETOOLONG", os.mkdir, self.at("n" * 4096))

    def test_rmdir(self):
        self.check("EBUSY" if ROOT else "EACCES", os.rmdir, self.mount.cgroup())
        self.check("EINVAL", os.rmdir, self.at("d/."))
        self.check("ENOTEMPTY", os.rmdir, self.at("d/.."))
        self.check("ENOTDIR", os.rmdir, self.at("d/pids.max"))

    def test_times(self):
        """Times that are set stay, and the others are those of the making."""
        path = self.at("d/pids.max")
        made = os.stat(self.at("d")).st_mtime_ns
        self.assertLess(abs(time.time_ns() - made), 60 * 10**9)
        time.sleep(0.05)  # the kernel's clock for files goes by ticks
        os.utime(path, ns=(5, 7))
        write(path, "5")
        read(path)
        attr = os.stat(path)
        self.assertEqual((5, 7), (attr.st_atime_ns, attr.st_mtime_ns))
        self.assertGreater(attr.st_ctime_ns, made)
        os.utime(path)
        self.assertLess(abs(time.time_ns() - os.stat(path).st_mtime_ns), 60 * 10**9)

    def test_one_open_for_two_processes(self):
        """The snapshot belongs to the open file, not to the process."""
        agent = Agent()
        self.addCleanup(agent.end)
        with opened(self.at("d/memory.max")) as fd:
            self.assertEqual(b"m", os.read(fd, 1))
            copy = os.dup(fd)
            self.write("d/memory.max", "4096")
            self.assertEqual(b"ax\n", os.read(copy, 10))
            os.close(copy)

    def test_socket(self):
        with socket.socket(socket.AF_UNIX) as unix, opened(self.at("d"), os.O_PATH) as fd:
            self.check("EPERM", unix.bind, f"/proc/self/fd/{fd}/s")
