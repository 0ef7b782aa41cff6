# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random scripts for the conformance driver, the same for the same seed.

A script is a list of episodes, each a list of lines, the first "episode NAME". An episode has a
theme, which says how often each kind of operation comes. Where tasks live, no limit is set that
would end or slow them: what that does is a matter of time, and is tested elsewhere.
"""
import random

EPISODE = 250  # operations

# All files but memory.zswap.* and io.bfq.weight, which the VM's kernel does not have (tests/golden
# has them).
READ_ONLY = (
    "cgroup.controllers cgroup.events cgroup.stat cpu.stat cpu.stat.local cpuset.cpus.effective "
    "cpuset.mems.effective cpuset.cpus.exclusive.effective hugetlb.2MB.current hugetlb.2MB.events "
    "hugetlb.2MB.events.local hugetlb.2MB.numa_stat hugetlb.2MB.rsvd.current io.stat "
    "memory.current memory.events memory.events.local memory.numa_stat memory.stat "
    "memory.swap.current memory.swap.events misc.current misc.events "
    "misc.events.local misc.peak pids.current pids.events pids.events.local pids.peak "
    "rdma.current").split()
CONTROLLERS = "cpuset cpu io memory hugetlb pids rdma misc".split()

# Bad for every parser, or good for some: every file gets them.
COMMON = (r"\e", r"\n", r"\s", "abc", "-1", "0", "1", r"1\n", r"\s1\s", r"1\s2", "+1", "010",
          "0x10", "-0", "2147483647", "2147483648", "4294967296", "9223372036854771712",
          "9223372036854775807", "9223372036854775808", "18446744073709551615",
          "18446744073709551616", "max", r"max\n", r"\smax", "MAX", "{x4096}", "{x4097}",
          r"1\x00", r"1\x002", r"\x00", r"1\t", r"1,2", "1.5")
INTEGER = COMMON + ("2", "100", "10000", "10001", "19", "20", "-20", "-21", "4194304", "4194305")
BYTES = COMMON + ("4096", "4097", "1K", "1k", "3M", "2G", "1T", "1P", "1E", "8E", "16E", "1KB",
                  r"1\sK", "1g", r"\s1M\n", "100000000000", "0x1000", "0xk", "K", "-1K", "+1K")
ROOMY = (r"max", "2G", "4G", "1T", "max\\n", r"\s8G\s", "abc", "-1", "+1", "1KB", "{x4097}",
         "9223372036854775807", "9223372036854771712")
LISTS = COMMON + ("0-1", "0,1", r"0\s1", "0-", "-", "1-0", "0-1:1/2", "all", "N", "0-N", ",",
                  "0,,1", "4096", r"0\n1", "0-1,", "2", "0x1")
VALUES = {
    "cgroup.max.depth": INTEGER, "cgroup.max.descendants": INTEGER, "cgroup.pressure": INTEGER,
    "cgroup.type": ("threaded", r"threaded\n", r"\sthreaded", "domain", "Threaded", r"\e", r"\n",
                    "x", r"domain\sthreaded", "1", "{x4097}"),
    "cpu.idle": INTEGER, "cpu.max.burst": INTEGER + ("50000", "100000", "100001"),
    "cpu.weight": INTEGER, "cpu.weight.nice": INTEGER + ("-10", "10", "5"),
    "cpu.max": INTEGER + (r"50000\sabc", r"50000abc\s100000", r"100000\smax", r"999\s100000",
                          r"1000\s1000", r"1000\s999", r"1000\s1000000", r"1000\s1000001",
                          r"max\s50000", r"max\s999", "17592186044415", "17592186044416",
                          r"200000\s100000\n", r"\s5000\s10000", r"5000\t10000", r"max\smax",
                          r"-1\s100000", r"5000\s-1", "123456789012345678901"),
    "cpuset.cpus": LISTS, "cpuset.cpus.exclusive": LISTS, "cpuset.mems": LISTS,
    "cpuset.cpus.partition": ("member", "root", "isolated", r"root\n", r"\smember", "Root", r"\e",
                              r"\n", "x", r"root\sinvalid", "{x4097}"),
    "hugetlb.2MB.max": BYTES, "hugetlb.2MB.rsvd.max": BYTES,
    "io.max": COMMON + (r"8:99\srbps=1024", r"8:99", r"8:99\s", r"1:1\srbps=max", r"a:b\srbps=2",
                        r"8:\srbps=2", r"8:99\sfoo=2", r"8:99\srbps=0", r"0:0\swbps=2"),
    "io.weight": COMMON + (r"default\s50", "500", "10000", "10001", r"default", r"default\s5\s6",
                           r"default\sabc", r"8:99\s100", r"default\sdefault"),
    "memory.high": BYTES, "memory.low": BYTES, "memory.max": BYTES, "memory.min": BYTES,
    "memory.oom.group": INTEGER, "memory.peak": COMMON, "memory.swap.peak": COMMON,
    "memory.reclaim": (r"\n", "abc", "-1", "0", r"\s0", r"0\sswappiness=60", r"0\sswappiness=201",
                       r"0\sswappiness=", r"0\sfoo", r"0\sswappiness=max", "1KB", r"\e"),
    "memory.swap.high": BYTES, "memory.swap.max": BYTES,
    "misc.max": COMMON + (r"foo\s1", r"foo", r"sev\smax", r"foo\smax\n"),
    "pids.max": INTEGER + ("4194303",),
    "rdma.max": COMMON + (r"mlx\shca_handle=1", r"mlx\sfoo=1", r"mlx\shca_handle=max", "mlx",
                          r"mlx\shca_handle=-1", r"mlx\shca_object=2\shca_handle=3"),
    "cpu.pressure": COMMON + (r"some\s150000\s1000000", r"full\s150000\s1000000",
                              r"some\s0\s1000000", r"some\s2\s1", r"\ssome\s1\s2",
                              r"some\s1\s10000001", r"some\s10000000\s10000000x",
                              r"Some\s1\s2", r"some\s-1\s2", r"some\s1"),
}
VALUES["io.pressure"] = VALUES["memory.pressure"] = VALUES["cpu.pressure"]
# Of what would end tasks or slow them down, what is harmless to those that live there.
POPULATED = dict(VALUES, **{
    "memory.max": ROOMY, "memory.high": ROOMY, "pids.max": (
        "max", "1000", r"\s2000\n", "abc", "-1", "4194305", "max\\n"),
    "cpu.max": ("max", r"max\s50000", r"200000\s100000", "300000", "abc", "999", r"400000\smax"),
    "cpu.max.burst": ("0", "1000", "abc"),
    "hugetlb.2MB.max": ("max", "abc", "-1", "2M", "3M"),
})
FILES = sorted(VALUES) + READ_ONLY
# What every hierarchy has. Of cgroup.stat only whole texts can be compared.
CORE_FILES = [name for name in FILES if name.startswith("cgroup.") and name != "cgroup.stat"]
CORE_THEMES = ("fds", "freeze", "kill", "poll", "rights", "structure", "tasks")
NAMES = ("a", "b", "c")
ODD_NAMES = (r"x\sy", r"x\ny", r"x\n", "cgroup.foo", "memory.max", "cgroup.procs", r"\x01", "..",
             ".", r"caf\xc3\xa9", "{x255}", r"\x7f\xff", "pids.current", "cpu.weight")
XATTRS = ("user.a", "user.b", "trusted.a", "security.foo", "user.", "system.posix_acl_access",
          "foo", "system.foo", "user.long", "overlay.x")

BASE = {
    "mkdir": 8, "rmdir": 5, "control": 10, "type": 3, "read": 10, "stat": 3, "ls": 2, "dump": 1,
}
TASKS = {
    "spawn": 4, "fork": 3, "thread": 3, "procs": 10, "threads": 4, "self": 2, "texit": 1,
    "exit": 1, "signal": 1, "reap": 3, "members": 8, "junkpid": 2,
}
THEMES = {
    "structure": {**BASE, "odd": 2, "limits": 4, "names": 2, "nodes": 2},
    "files": {**BASE, "value": 60, "wrong": 5},
    "tasks": {**BASE, **TASKS},
    "freeze": {**BASE, **TASKS, "freeze": 12, "events": 10, "kill": 2},
    "kill": {**BASE, **TASKS, "kill": 6, "events": 6},
    "fds": {**BASE, "open": 14, "fd": 30, "value": 6, "control": 6, "rmdir": 8},
    "poll": {**BASE, **TASKS, "open": 8, "fd": 8, "poll": 10, "kill": 2, "freeze": 3, "exit": 3},
    "rights": {**BASE, "chmod": 8, "chown": 8, "user": 30, "xattr": 20, "spawn": 3, "procs": 4},
    "all": {**BASE, **TASKS, "value": 20, "freeze": 2, "kill": 1, "events": 4, "open": 3, "fd": 6,
            "chmod": 1, "chown": 1, "user": 4, "xattr": 3, "odd": 1, "limits": 1, "names": 1,
            "nodes": 1, "wrong": 1, "poll": 1},
}


class Episode:
    """The state that makes most operations meaningful: which cgroups there may be, which tasks."""

    def __init__(self, rng, name, themes=tuple(sorted(THEMES)), controllers=tuple(CONTROLLERS),
                 files=tuple(FILES)):
        self.rng = rng
        self.controllers, self.files = controllers, files
        theme = rng.choice(themes)
        weights = THEMES[theme]
        self.kinds = list(weights)
        self.weights = list(weights.values())
        values = POPULATED if "spawn" in weights else VALUES
        self.values = {name: texts for name, texts in values.items() if name in files}
        self.dirs = ["."]
        self.tasks = []
        self.held = []
        self.lines = [f"episode {name}"]

    def generate(self, count):
        self.begin()
        while len(self.lines) <= count:
            kind, = self.rng.choices(self.kinds, self.weights)
            line = getattr(self, "do_" + kind)()
            if line:
                self.lines.append(line)
        self.lines.append("dumpall")
        return self.lines

    def begin(self):
        """Most episodes start with a tree in which there is something to do."""
        if self.rng.random() < 0.2:
            return
        for path in self.rng.sample(("a", "b", "a/a", "a/b", "a/a/c"), 3):
            if "/" not in path or path.rsplit("/", 1)[0] in self.dirs:
                self.dirs.append(path)
                self.lines.append(f"mkdir {path} 755")
        share = self.rng.choice((0, 0.4, 1))
        for path in (".", "a"):
            for name in self.controllers:
                if self.rng.random() < share:
                    self.lines.append(f"write {path}/cgroup.subtree_control +{name}")

    # --- places ---

    def some_dir(self):
        if self.rng.random() < 0.1:
            return self.new_dir()
        return self.rng.choice(self.dirs)

    def new_dir(self):
        parent = self.rng.choice(self.dirs)
        if parent.count("/") > 2:
            parent = "."
        name = self.rng.choice(NAMES)
        return name if parent == "." else f"{parent}/{name}"

    def some_file(self):
        return self.rng.choice([*self.files, "cgroup.procs", "cgroup.threads", "cgroup.freeze",
                                "cgroup.subtree_control"])

    def some_task(self):
        if not self.tasks or self.rng.random() < 0.02:
            return f"p{self.rng.randrange(24)}"
        return self.rng.choice(self.tasks)

    # --- operations: each gives a line, or None ---

    def do_mkdir(self):
        path = self.new_dir()
        if path not in self.dirs:
            self.dirs.append(path)
        return f"mkdir {path} {self.rng.choice(('755', '755', '755', '700', '2755', '1777'))}"

    def do_rmdir(self):
        path = self.some_dir()
        if path != "." and not any(d.startswith(path + "/") for d in self.dirs):
            self.dirs = [d for d in self.dirs if d != path]
        return f"rmdir {path if path != '.' else 'a'}"

    def do_control(self):
        count = self.rng.choice((1, 1, 1, 2, 3))
        names = self.controllers or ("foo",)
        words = [self.rng.choice("++-") + self.rng.choice(names) for _ in range(count)]
        if self.rng.random() < 0.1:
            words.append(self.rng.choice(("+foo", "cpu", "+", "-", "+perf_event", "+freezer",
                                          r"+cpu\t-cpu", r"\n", "+CPU", "-debug", r"+cpu,+io")))
        return f"write {self.some_dir()}/cgroup.subtree_control " + r"\s".join(words)

    def do_type(self):
        return f"write {self.some_dir()}/cgroup.type " + self.rng.choice(
            ("threaded",) * 12 + VALUES["cgroup.type"])

    def do_read(self):
        name = self.rng.choice(("cgroup.type", "cgroup.controllers", "cgroup.subtree_control",
                                "cgroup.events", "cgroup.stat", self.some_file()))
        return f"read {self.some_dir()}/{name}"

    def do_events(self):
        return f"read {self.some_dir()}/" + self.rng.choice(
            ("cgroup.events", "cgroup.events", "cgroup.freeze", "pids.current"))

    def do_members(self):
        return f"read {self.some_dir()}/" + self.rng.choice(
            ("cgroup.procs", "cgroup.procs", "cgroup.threads", "pids.current", "cgroup.events",
             "cgroup.type", "pids.peak"))

    def do_stat(self):
        return f"stat {self.some_dir()}" + self.rng.choice(("", f"/{self.some_file()}"))

    def do_ls(self):
        return f"ls {self.some_dir()}"

    def do_dump(self):
        return f"dump {self.some_dir()}"

    def do_odd(self):
        return self.rng.choice((f"mkdir {self.some_dir()}/{self.rng.choice(ODD_NAMES)} 755",
                                f"rmdir {self.some_dir()}/{self.rng.choice(('memory.max', 'z'))}"))

    def do_limits(self):
        name = self.rng.choice(("cgroup.max.depth", "cgroup.max.descendants"))
        return f"write {self.some_dir()}/{name} {self.rng.choice(('0', '1', '2', '3', 'max'))}"

    def do_names(self):
        one, two = self.some_dir(), self.some_dir()
        name = self.some_file()
        return self.rng.choice((
            f"rename {one} {two}", f"rename {one}/{name} {two}/{name}",
            f"link {one}/{name} {two}/x", f"rename {one} {one}",
            f"rename {one}/{name} {one}/{name}"))

    def do_nodes(self):
        one, name = self.some_dir(), self.some_file()
        return self.rng.choice((
            f"create {one}/new", f"create {one}/{name}", f"unlink {one}/{name}", f"unlink {one}/q",
            f"symlink {one}/s", f"mkfifo {one}/f", f"truncate {one}/{name} 0",
            f"truncate {one}/{name} 10", f"unlink {one}"))

    def do_value(self):
        name = self.rng.choice(sorted(self.values))
        return f"write {self.some_dir()}/{name} {self.rng.choice(self.values[name])}"

    def do_wrong(self):
        return f"write {self.some_dir()}/{self.rng.choice(READ_ONLY)} {self.rng.choice(COMMON)}"

    def do_freeze(self):
        return f"write {self.some_dir()}/cgroup.freeze " + self.rng.choice(
            ("0", "1", "1", "0", r"1\n", "2", "-1", "x", r"\s0\s"))

    def do_kill(self):
        return f"write {self.some_dir()}/cgroup.kill " + self.rng.choice(
            ("1", "1", "1", "0", "x", r"1\n", "2"))

    # --- tasks ---

    def new_task(self):
        free = [f"p{n}" for n in range(16) if f"p{n}" not in self.tasks]
        if not free:
            return None
        self.tasks.append(free[0])
        return free[0]

    def do_spawn(self):
        task = self.new_task()
        return task and f"spawn {task}"

    def do_fork(self):
        parent = self.some_task()
        task = self.new_task()
        return task and f"fork {parent} {task}"

    def do_thread(self):
        parent = self.some_task()
        task = self.new_task()
        return task and f"thread {parent} {task}"

    def place(self):
        return "../cgroup.procs" if self.rng.random() < 0.08 \
            else f"{self.some_dir()}/cgroup.procs"

    def do_procs(self):
        return f"write {self.place()} {{{self.some_task()}}}"

    def do_threads(self):
        return f"write {self.some_dir()}/cgroup.threads {{{self.some_task()}}}"

    def do_self(self):
        name = self.rng.choice(("cgroup.procs", "cgroup.procs", "cgroup.threads"))
        return f"self {self.some_task()} {self.some_dir()}/{name}"

    def do_junkpid(self):
        return f"write {self.some_dir()}/" + self.rng.choice(("cgroup.procs", "cgroup.threads")) \
            + " " + self.rng.choice((r"\e", r"\n", "abc", "-1", "99999999999", "-{p0}", r"\s{p0}",
                                     r"{p0}\n", r"{p0}x", r"{p0}\s1", r"+{p0}", r"{p0}\x00z"))

    def do_texit(self):
        return f"texit {self.some_task()}"

    def do_exit(self):
        return f"exit {self.some_task()}"

    def do_signal(self):
        return f"signal {self.some_task()} 9"

    def do_reap(self):
        task = self.some_task()
        return f"reap {task}"

    # --- descriptors ---

    def do_open(self):
        number = self.rng.randrange(10)
        self.held.append(f"f{number}")
        if self.rng.random() < 0.15:
            return f"open f{number} {self.some_dir()} d"
        flags = self.rng.choice(("r", "r", "w", "rw", "rw", "rwt", "wa"))
        return f"open f{number} {self.some_dir()}/{self.some_file()} {flags}"

    def do_fd(self):
        number = self.rng.choice(self.held or ["f0"])
        value = self.rng.choice(COMMON + ("threaded", "+cpu", "max", "2G"))
        return self.rng.choice((
            f"fwrite {number} {value}", f"freadall {number}", f"fread {number} 0 100",
            f"fread {number} 3 5", f"fread {number} 0 2", f"fseek {number} 0",
            f"fseek {number} 4", f"fstat {number}", f"fpoll {number}", f"freadall {number}",
            f"openat {number} cgroup.procs", f"mkdirat {number} a", f"fls {number}",
            f"close {number}"))

    def do_poll(self):
        number = self.rng.choice(self.held or ["f0"])
        if self.rng.random() < 0.3:
            self.held.append(number)
            name = self.rng.choice(("cgroup.events", "cgroup.events", "pids.events",
                                    "memory.events", "cpuset.cpus.partition", "cgroup.type",
                                    "cgroup.procs", "memory.pressure", "cgroup.freeze"))
            return f"open {number} {self.some_dir()}/{name} r"
        return self.rng.choice((f"fpoll {number}", f"fpoll {number}", f"freadall {number}",
                                f"fread {number} 0 100"))

    # --- rights ---

    def do_chmod(self):
        return f"chmod {self.some_dir()}/{self.rng.choice(('.', self.some_file()))} " + \
            self.rng.choice(("0", "600", "644", "666", "777", "755", "4755", "1777", "444"))

    def do_chown(self):
        name = self.rng.choice((".", ".", "cgroup.procs", "cgroup.threads",
                                "cgroup.subtree_control", self.some_file()))
        return f"chown {self.some_dir()}/{name} {self.rng.choice(('65534 65534', '0 0', '-1 5'))}"

    def do_user(self):
        kind = self.rng.choice(("mkdir", "rmdir", "control", "type", "read", "stat", "ls", "procs",
                                "threads", "chmod", "chown", "xattr", "value", "nodes", "limits",
                                "freeze", "access"))
        line = getattr(self, "do_" + kind)()
        return line and "user " + line

    def do_access(self):
        return f"access {self.some_dir()}/{self.rng.choice(('.', self.some_file()))} " + \
            self.rng.choice(("0", "1", "2", "4", "6", "7"))

    def do_xattr(self):
        place = f"{self.some_dir()}/{self.rng.choice(('.', '.', self.some_file()))}"
        name = self.rng.choice(XATTRS)
        value = self.rng.choice((r"\e", "x", "abc", r"\x00\xff", "{x4000}"))
        return self.rng.choice((
            f"setxattr {place} {name} {value} {self.rng.choice(('0', '0', '1', '2'))}",
            f"getxattr {place} {name}", f"listxattr {place}", f"removexattr {place} {name}"))


def script(seed, count, **scope):
    """The lines of a seed's script, of at least count operations; scope is what Episode takes."""
    rng = random.Random(seed)
    lines = []
    number = 0
    while count > 0:
        size = min(count, EPISODE)
        lines += Episode(rng, f"s{seed}e{number}", **scope).generate(size)
        count -= size
        number += 1
    return lines


def core_script(seed, count, controllers):
    """The same for a hierarchy that has these controllers only: structure, members, descriptors."""
    return script(seed, count, themes=CORE_THEMES, controllers=controllers, files=CORE_FILES)
