# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two sides: the driver run on the real tree and on one of ours, and what differs."""
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
BUILD = REPO / os.environ.get("CTLFS_BUILD", "build")
DRIVER = BUILD / "conform" / "driver"
REAL = "/sys/fs/cgroup"
SLOW = float(os.environ.get("CTLFS_TEST_SLOW", "1"))
# The kernel's answers and the emulator's come a little after what caused them.
SETTLE_US = int(500 * SLOW)


class Mount:
    """A mount of ctlfs, for the time of a with statement."""

    def __init__(self, *args):
        self.args = args

    def __enter__(self):
        self.point = tempfile.mkdtemp(prefix="conform.")
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [BUILD / "ctlfs", "mount", "-f", "-o", "allow_other", *self.args, self.point],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30 * SLOW
        while not os.path.isdir(self.tree):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise SystemExit(f"conform: ctlfs does not start:\n{self.log.read()}")
            time.sleep(0.01)
        return self

    @property
    def tree(self):
        return os.path.join(self.point, "cgroup")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            subprocess.run(["umount", "-l", self.point], check=False)
        os.rmdir(self.point)
        self.log.close()


class Emulator(Mount):
    explained = ("explained-both", "explained")

    def __init__(self, version=None):
        super().__init__("--backend", "emulator", *([f"--emulate={version}"] if version else []))


class KernelBackend(Mount):
    """The very tree of REAL, seen through a mount."""
    explained = ("explained-both",)

    def __init__(self, _=None):
        super().__init__("--backend", "kernel")


def controllers(tree):
    return Path(tree, "cgroup.controllers").read_text().split()


def without_others(answer, granted):
    """Without cgroup.stat's counts of controllers that the tree was not given: on a machine that
    has them on cgroup v1 the kernel does not count them."""
    kept = "|".join(["perf_event", *granted])
    return re.sub(rf"nr_(dying_)?subsys_(?!(?:{kept}) )\w+ [\d#]+\\n", "", answer)


def answers(tree, lines, granted, settle=SETTLE_US):
    """What a tree answers to the lines of a script."""
    try:
        done = subprocess.run([DRIVER, tree, str(settle), *granted], input="\n".join(lines) + "\n",
                              stdout=subprocess.PIPE, check=False, encoding="utf-8",
                              errors="surrogateescape",
                              timeout=(60 + len(lines) / 20) * SLOW)
    except subprocess.TimeoutExpired as timeout:
        out = (timeout.stdout or b"").decode().split("\n")[:-1]
        raise SystemExit(f"conform: the driver hangs on {tree}, "
                         f"in line {len(out)}: {lines[len(out)]}") from None
    out = done.stdout.split("\n")[:-1]
    if done.returncode or len(out) != len(lines):
        raise SystemExit(f"conform: the driver failed on {tree} (status {done.returncode}), "
                         f"{len(out)} of {len(lines)} lines answered")
    return [without_others(answer, granted) for answer in out]


class Difference:
    """One operation, or one file of a dump, that the two sides answer in different ways."""

    def __init__(self, number, line, kernel, emulator):
        self.number, self.line, self.kernel, self.emulator = number, line, kernel, emulator
        self.threaded = False  # whether threaded cgroups may have been made before

    def signature(self):
        """What is the same for two traces of one fault."""
        words = self.line.removeprefix("user ").split()
        return (words[0], words[1].rsplit("/", 1)[-1] if "/cgroup." in self.line or len(words) > 1
                and "." in words[1] else "", *map(self.kind, (self.kernel, self.emulator)))

    @staticmethod
    def kind(answer):
        return re.match(r"(\S+: )?(open )?\S*", answer)[0]

    def __str__(self):
        return f"{self.line}\n    kernel: {self.kernel}\n    ctlfs:  {self.emulator}"


def dumped(answer):
    """{path: attributes and text} of a dump."""
    return dict(item.split(" ", 1) for item in answer.split("|") if " " in item)


def is_list(line, answer):
    return re.match(r"(user )?f?ls ", line) and not re.search(r"(^|: )E[A-Z]+$|^not open",
                                                                   answer)


def compare_dumps(number, kernel, emulator):
    ours, theirs = dumped(kernel), dumped(emulator)
    for path in sorted({*ours, *theirs}):
        one, two = ours.get(path, "absent"), theirs.get(path, "absent")
        if one != two:
            yield Difference(number, f"dump {path}", one, two)


def without_zswap(answer):
    """The cloud kernel is built without zswap, whose lines memory.stat has elsewhere."""
    return re.sub(r"(?<=\\n)zsw\w+ #\\n", "", answer)


def compare(lines, kernel, emulator):
    """All differences of an episode, in order."""
    threaded = next((n for n, line in enumerate(lines) if "cgroup.type threaded" in line),
                    len(lines))
    for difference in compare_answers(lines, kernel, emulator):
        difference.threaded = difference.number > threaded
        yield difference


def compare_answers(lines, kernel, emulator):
    kernel, emulator = map(without_zswap, kernel), map(without_zswap, emulator)
    for number, (line, one, two) in enumerate(zip(lines, kernel, emulator, strict=True)):
        if one == two:
            continue
        if re.match("(user )?dump", line) and "|" in one and "|" in two:
            yield from compare_dumps(number, one, two)
        elif is_list(line, one) and is_list(line, two):
            ours, theirs = set(one.split()), set(two.split())
            for name in sorted(ours ^ theirs):
                yield Difference(number, f"{line}/{name}", *(
                    ("present", "absent") if name in ours else ("absent", "present")))
        else:
            yield Difference(number, line, one, two)


def same_threads(difference):
    """Whether a list of threads, or of processes in a threaded subtree, differs in order only."""
    names = re.compile(r"p\d+|\?")
    where = difference.line + difference.kernel
    return ("cgroup.threads" in where or "cgroup.procs" in where and difference.threaded) and \
        names.sub("", difference.kernel) == names.sub("", difference.emulator) and \
        sorted(names.findall(difference.kernel)) == sorted(names.findall(difference.emulator))


def lower_peak(difference):
    """Whether the emulator's pids.peak is the lower one: more processes between two looks."""
    peaks = re.compile(r".*OK (\d+)\\n")
    ours, theirs = peaks.fullmatch(difference.kernel), peaks.fullmatch(difference.emulator)
    return "pids.peak" in difference.line + difference.kernel and ours and theirs and \
        int(ours[1]) > int(theirs[1])


class Explained:
    """Differences that docs/semantics.md explains, from the side's files beside this one."""

    def __init__(self, side=Emulator):
        self.emulated = side is Emulator
        self.rules = []
        self.counts = {}
        for line in "".join((HERE / name).read_text() for name in side.explained).splitlines():
            if line and not line.startswith("#"):
                operation, kernel, emulator, then, reason = re.split(r"\t+", line)
                self.rules.append((re.compile(operation), re.compile(kernel),
                                   re.compile(emulator), then, reason))

    def find(self, difference):
        """None, or what the rest of the episode is then worth: "go on" or "stop"."""
        for operation, kernel, emulator, then, reason in self.rules:
            if operation.fullmatch(difference.line) and kernel.fullmatch(difference.kernel) \
                    and emulator.fullmatch(difference.emulator):
                return self.count(reason, then)
        if not self.emulated:
            return None
        if same_threads(difference):
            return self.count("threads are listed by process, not by age or move", "go on")
        if lower_peak(difference):
            return self.count("pids.peak is the highest sample", "go on")
        return None

    def count(self, reason, then):
        self.counts[reason] = self.counts.get(reason, 0) + 1
        return then

    def unexplained(self, differences):
        """Those of one episode that nothing explains."""
        for difference in differences:
            then = self.find(difference)
            if then == "stop":
                return
            if not then:
                yield difference


def episodes(lines):
    """(start, end) of each."""
    starts = [n for n, line in enumerate(lines) if line.startswith("episode ")]
    return list(zip(starts, [*starts[1:], len(lines)], strict=True))
