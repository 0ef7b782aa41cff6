# SPDX-License-Identifier: LGPL-2.1-or-later
"""View files are read as those of procfs and sysfs are: what the kernel's own file of the same name
answers to the same calls decides."""
import os
import random
import threading

from harness import SLOW, opened, outcome, read, run_program, tool

NAMES = ("proc/buddyinfo", "proc/cpuinfo", "proc/diskstats", "proc/interrupts", "proc/loadavg",
         "proc/meminfo", "proc/partitions", "proc/softirqs", "proc/stat", "proc/swaps",
         "proc/uptime", "proc/vmstat", "proc/zoneinfo", "sys/devices/system/cpu/online",
         "sys/devices/system/cpu/possible", "sys/devices/system/cpu/kernel_max",
         "sys/devices/system/cpu/cpu0/topology/core_id", "sys/devices/system/node/online",
         "sys/devices/system/node/node0/meminfo")
FLAGS = ("O_WRONLY", "O_RDWR", "O_TRUNC", "O_WRONLY|O_TRUNC", "O_RDWR|O_TRUNC",
         "O_WRONLY|O_APPEND", "O_CREAT", "O_CREAT|O_EXCL", "O_CREAT|O_WRONLY", "O_DIRECTORY",
         "O_NOFOLLOW")
PIECES = 7


def flags_of(names):
    flags = 0
    for name in names.split("|"):
        flags |= getattr(os, name)
    return flags


def opens(path):
    """What comes of opening it in each way, and then of a write, which fails in any case: none of
    the files takes one."""
    found = {}
    for names in FLAGS:
        flags = flags_of(names)
        found[names] = [outcome(os.open, path, flags)]
        if found[names] == ["OK"]:
            with opened(path, flags) as fd:
                found[names] += [outcome(os.write, fd, b"1"), outcome(os.ftruncate, fd, 0),
                                 outcome(os.pread, fd, 1, 0)]
    found["truncate"] = [outcome(os.truncate, path, size) for size in (0, 5)]
    return found


def answer(function, *args):
    """The result, or the errno's name."""
    result = []
    said = outcome(lambda: result.append(function(*args)))
    return result[0] if said == "OK" else said


def positions(path):
    """What comes of moving to and fro, and of reading where nothing is."""
    with opened(path) as fd:
        moves = [answer(os.lseek, fd, *to) for to in
                 ((5, os.SEEK_SET), (3, os.SEEK_CUR), (-2, os.SEEK_CUR), (-100, os.SEEK_CUR),
                  (-1, os.SEEK_SET), (100000000, os.SEEK_SET) if "/proc/" in path else (4096, 0))]
        return moves + [answer(os.read, fd, 10), answer(os.pread, fd, 10, 1 << 40),
                        answer(os.pread, fd, 10, -1), answer(os.pread, fd, 0, 0),
                        answer(os.lseek, fd, 0, 99)]


def read_alone(fd, size):
    """From where the file stands on, so much at a time, and once more at the end."""
    parts = []
    while part := os.read(fd, size):
        parts.append(part)
    return b"".join(parts) + os.read(fd, size)


class LikeProcfs:
    """For a MountCase whose self.view("x") is that of a container without members, in which nothing
    changes."""

    def setUp(self):
        super().setUp()
        self.mkdir("x")
        self.write("x/memory.max", "256M")
        self.base = self.view("x")

    def each(self, check):
        """Of each file that is there: ours, the kernel's, and our text."""
        names = [name for name in NAMES if os.access("/" + name, os.R_OK)]
        self.assertGreater(len(names), 12)
        for name in names:
            ours = os.path.join(self.base, name)
            with self.subTest(name=name):
                check(ours, "/" + name, read(ours).encode())

    def pieces(self, ours, _, text):
        with opened(ours) as fd:
            for size in (1, PIECES, 512, 4096):
                if SLOW > 1 and len(text) > 300 * size:
                    continue  # too many calls for an emulated machine
                os.lseek(fd, 0, os.SEEK_SET)
                self.assertEqual(text, read_alone(fd, size))
            end = len(text)
            for offset in [0, 1, max(end - 1, 0), end, end + 1,
                           *(random.randrange(end + 9) for _ in range(20 if SLOW == 1 else 3))]:
                size = random.randrange(1, 700)
                self.assertEqual(text[offset:offset + size], os.pread(fd, size, offset))
                os.lseek(fd, offset, os.SEEK_SET)
                self.assertEqual(text[offset:], read_alone(fd, size))

    def test_pieces(self):
        """Read byte by byte, in odd pieces, from any place: always the same text."""
        random.seed(1)
        self.each(self.pieces)

    def positions(self, ours, real, _):
        self.assertEqual(positions(real), positions(ours))
        # FUSE asks nobody, and moves to the end of a file of size 0.
        with opened(ours) as fd:
            self.assertEqual(0, os.lseek(fd, 0, os.SEEK_END))

    def test_positions(self):
        self.each(self.positions)

    def test_opened_to_write(self):
        self.each(lambda ours, real, _: self.assertEqual(opens(real), opens(ours)))

    def dd(self, ours, real, text):
        said = []
        for path in (real, ours):
            done = run_program(["dd", f"if={path}", "bs=512", "skip=1", "status=none"])
            said.append((done.status, done.err.replace(path, "")))
        if len(text) > 512 or len(read(real)) <= 512:
            self.assertEqual(said[0], said[1])
        self.assertEqual(text[512:].decode(), done.out)

    def test_dd(self):
        tool("dd")
        self.each(self.dd)

    def two_readers(self, ours, _, text):
        with opened(ours) as fd:
            other = os.dup(fd)
            self.addCleanup(os.close, other)
            got = b"".join(os.read((fd, other)[turn % 2], PIECES)
                           for turn in range(len(text) // PIECES + 2))
            self.assertEqual(text, got)
            self.at_once(fd, text)

    def test_two_readers(self):
        """Of one open file: they share its place, and what each gets is of the one text."""
        self.each(self.two_readers)

    def at_once(self, fd, text):
        os.lseek(fd, 0, os.SEEK_SET)
        shared, wrong = [], []

        def go_on():
            shared.append(read_alone(fd, PIECES))

        def jump():
            for offset in range(0, len(text), 97):
                if os.pread(fd, 50, offset) != text[offset:offset + 50]:
                    wrong.append(offset)
        threads = [threading.Thread(target=run) for run in (go_on, go_on, jump, jump)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], wrong)
        self.assertEqual(len(text), sum(map(len, shared)))
        self.assertEqual(sorted(text), sorted(b"".join(shared)))

    def test_begun_text(self):
        """One that is half read stays as it was; from the beginning it is new."""
        path = self.base + "/proc/meminfo"
        before = read(path).encode()
        with opened(path) as fd:
            first = os.read(fd, 100)
            self.write("x/memory.max", "128M")
            self.assertEqual(before, first + read_alone(fd, 64))
            self.assertEqual(b"", os.read(fd, 64))
            os.lseek(fd, 0, os.SEEK_SET)
            self.assertEqual(read(path).encode(), read_alone(fd, 64))
            self.assertNotEqual(before, os.pread(fd, 4096, 0))
