# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every interface file of every controller, on the real tree and through the kernel backend: mode
and owner, what it reads, and for good and bad values the errno of the write and what it reads then.
The values are those of the conformance scripts."""
import os
import re
import sys
from pathlib import Path

from harness import opened, outcome, read
from kernel_backend import CGROUPS, KernelCase

sys.path.append(str(Path(__file__).resolve().parents[1] / "conform"))
import generate  # noqa: E402

CONTROLLERS = " ".join("+" + name for name in generate.CONTROLLERS)
# What differs from one moment to the next: only its form is compared.
VOLATILE = re.compile(r".*(\.stat|\.stat\.local|\.numa_stat|\.current|\.peak|\.pressure|events"
                      r"|events\.local)")
MEMBERS = (r"\e", r"\n", "abc", "-1", "99999999999", "4194304", r"4194304\n", r"1x", r"1\s2", "+",
           r"\x000", "{x4096}", "{x4097}")
JUNK = ("1", "abc", r"\n", "max", r"\x00", "{x4097}")  # for what takes nothing
OTHERS = {
    "cgroup.procs": MEMBERS, "cgroup.threads": MEMBERS,
    "cgroup.freeze": generate.INTEGER, "cgroup.kill": generate.INTEGER,
    "cgroup.subtree_control": generate.COMMON + (
        "+cpu", "-cpu", r"+cpu\s-cpu", "+bogus", "+CPU", r"\s+cpu\n", r"+cpu\s+memory", "+cpuset",
        "+perf_event", "+", r"-cpu\s-memory\s-cpuset"),
}


def unescape(word):
    """A word of a script as bytes."""
    word = re.sub(r"\{x(\d+)\}", lambda m: "x" * int(m[1]), word)
    known = {"e": "", "n": "\n", "s": " ", "t": "\t"}
    return re.sub(r"\\(x[0-9a-f]{2}|.)", lambda m: known[m[1]] if m[1] in known
                  else chr(int(m[1][1:], 16)), word).encode("latin-1")


def write_once(path, data):
    with opened(path, os.O_WRONLY) as fd:
        return os.write(fd, data)


class Rows(KernelCase):
    """One test for each place in the tree, whose subtests are the rows."""

    def look(self, path):
        """Mode, owner and text of a file."""
        attr = os.lstat(path)
        text = []
        error = outcome(lambda: text.append(read(path)))
        if VOLATILE.fullmatch(os.path.basename(path)):
            text = [re.sub(r"(?<![\w.])\d+(\.\d+)?", "#", each) for each in text]
        return (oct(attr.st_mode), attr.st_uid, attr.st_gid, attr.st_nlink, attr.st_size,
                attr.st_blocks, attr.st_blksize, error, *text)

    def write_and_look(self, path, word):
        """The bytes written, or the errno; and what that has changed."""
        result = []
        error = outcome(lambda: result.append(write_once(path, unescape(word))))
        return (*result, self.look(path)) if result else error

    def answers(self, path):
        """What a file says at first, for each word, and at last."""
        yield "at first", self.look(path)
        name = os.path.basename(path)
        for word in OTHERS.get(name, generate.VALUES.get(name, JUNK)):
            # The write of nothing never comes to us.
            if word != r"\e":
                yield word, self.write_and_look(path, word)
        yield "at last", self.look(path)

    def check_file(self, direct, through):
        """Word by word on both sides."""
        with self.subTest(file=os.path.basename(direct)):
            for one, other in zip(self.answers(direct), self.answers(through), strict=True):
                self.assertEqual(one, other)

    def check_rows(self, want):
        """All files of two cgroups, which have other parents so as not to be in each other's way:
        those that want names are among them."""
        direct, through = self.real_at("one/row"), self.at("two/row")
        names = sorted(os.listdir(direct))
        self.assertEqual(names, sorted(os.listdir(through)))
        self.assertLessEqual(set(want.split()), set(names))
        for name in names:
            self.check_file(f"{direct}/{name}", f"{through}/{name}")

    def test_child(self):
        for path in (".", "one", "two"):
            if path != ".":
                self.mkdir(path)
            self.write(path + "/cgroup.subtree_control", CONTROLLERS)
        self.mkdir("one/row", "two/row")
        self.check_rows("cgroup.kill cpu.max cpuset.cpus.partition io.max memory.reclaim "
                        "hugetlb.2MB.max pids.max rdma.max misc.max memory.pressure")

    def test_threaded(self):
        """Below a threaded domain, where files are fewer and some cannot be read."""
        for path in ("one", "two"):
            self.mkdir(path, path + "/row")
            self.write(path + "/row/cgroup.type", "threaded")
            self.write(path + "/cgroup.subtree_control", "+cpu +pids")
        self.check_rows("cgroup.threads cpu.max pids.max")

    def test_root(self):
        """The hierarchy's own top: both write to the same files."""
        self.addCleanup(write_once, CGROUPS + "/cgroup.max.depth", b"max")
        self.addCleanup(write_once, CGROUPS + "/cgroup.max.descendants", b"max")
        names = [name for name in sorted(os.listdir(CGROUPS)) if not os.path.isdir(
            f"{CGROUPS}/{name}")]
        self.assertLessEqual({"cgroup.procs", "cpu.stat", "io.stat", "memory.reclaim"}, {*names})
        for name in names:
            self.check_file(f"{CGROUPS}/{name}", self.mount.cgroup(name))
