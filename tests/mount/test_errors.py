# SPDX-License-Identifier: LGPL-2.1-or-later
"""Refusals: ctl/errors and errors.json, `ctlfs errors`, the daemon's log; the audit."""
import json
import os
import select
import signal
import socket
import subprocess
import tempfile

from agents import Agent, checked, libc, own_mounts
from follower import Follower, entries, refusals
from harness import (Case, Mount, is_mounted, opened, outcome, read, root_only, run_ctlfs,
                     wait_for, write)
from test_members import Members

KEPT = 1024


def refuse(path, times=1):
    """In whatever process: refused writes of one opened file."""
    with opened(path, os.O_WRONLY) as fd:
        return [outcome(os.write, fd, b"junk %d" % n) for n in range(times)]


class Entries(Members):
    def setUp(self):
        super().setUp()
        self.name = f"/t-{self._testMethodName}"

    def seen(self, agent=None):
        """What a process sees of this test's refusals."""
        return refusals(self.mount, self.name, agent)

    def follow(self, *args, **kwargs):
        follower = Follower(self.mount.point, *args, **kwargs)
        self.addCleanup(follower.end)
        return follower

    def test_fields(self):
        data = b'1"\\\n\0\xff\xc3\xa4\x1b[2J'
        self.check("EINVAL", write, self.at("a/memory.max"), data)
        self.check("EINVAL", write, self.at("a/memory.max"), b"x" * 3000)
        self.mkdir("a/c")
        self.check("EBUSY", os.rmdir, self.at("a"))
        first, second, third = self.seen()
        self.assertRegex(first.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertTrue(first.pop("reason"))
        self.assertLess(first.pop("seq"), second["seq"])
        self.assertEqual({
            "op": "write", "file": self.name + "/a/memory.max", "errno": "EINVAL",
            "text": '1"\\\n\0\ufffd\u00e4\x1b[2J', "text_size": len(data), "pid": os.getpid(),
            "uid": os.geteuid(), "gid": os.getegid(),
            "comm": read("/proc/self/comm").rstrip("\n"), "container": "/"}, first)
        self.assertEqual((256, 3000), (len(second["text"]), second["text_size"]))
        self.assertEqual(("rmdir", self.name + "/a", "EBUSY"),
                         (third["op"], third["file"], third["errno"]))
        self.assertNotIn("text", third)
        text = read(self.mount.path("ctl/errors"))
        self.assertIn(r'[write "1\"\\\n\x00\xff' + "\u00e4" + r'\x1b[2J" by ', text)
        self.assertIn(f", pid {os.getpid()}, uid {os.geteuid()}, ", text)

    def test_every_operation(self):
        """What cgroupfs has no operation for is told, too."""
        at = self.at
        self.check("EPERM", os.symlink, "target", at("a/link"))
        self.check("EPERM", os.unlink, at("a/cgroup.procs"))
        self.check("EPERM", os.rename, at("a"), at("c"))
        self.check("EACCES", os.open, at("a/new"), os.O_CREAT | os.O_RDONLY)
        self.check("EBUSY", os.rmdir, self.top)
        want = [("symlink", "/a/link"), ("unlink", "/a/cgroup.procs"), ("rename", "/a"),
                ("create", "/a/new"), ("rmdir", "")]
        seen = self.seen()
        self.assertEqual([(op, self.name + path) for op, path in want],
                         [(e["op"], e["file"]) for e in seen])
        for e in seen:
            self.assertGreater(len(e["reason"]), 5, e)

    def test_own_container_only(self):
        """By who was refused, not by what he tried; a cgroup made anew is another one."""
        a, b = self.agent("a"), self.agent("b")
        self.assertEqual(["EINVAL"], a.call(refuse, self.at("b/pids.max")))
        self.assertEqual(["EINVAL"], b.call(refuse, self.at("b/memory.max")))
        self.check("EINVAL", write, self.at("a/memory.max"), "host")
        mine, = self.seen(a)
        self.assertEqual((self.name + "/b/pids.max", self.name + "/a"),
                         (mine["file"], mine["container"]))
        mine, = self.seen(b)
        self.assertEqual(self.name + "/b/memory.max", mine["file"])
        self.assertEqual(3, len(self.seen()))
        a.end()
        wait_for(lambda: outcome(os.rmdir, self.at("a")) == "OK", "rmdir a")
        self.mkdir("a")
        self.assertEqual([], self.seen(self.agent("a")))

    def test_passed_on(self):
        """What was opened in a container, or by the host, tells others nothing."""
        a, b = self.agent("a"), self.agent("b")
        path = self.mount.path("ctl/errors")
        a.call(refuse, self.at("a/pids.max"))
        fd = a.call(os.open, path, os.O_RDONLY)
        with opened(f"/proc/{a.pid}/fd/{fd}") as again:  # a new open: ours
            self.assertIn(b"a/pids.max", os.read(again, 1 << 20))
        write(self.at("b/cgroup.procs"), str(a.pid))
        self.check("EACCES", a.call, os.pread, fd, 4096, 0)
        b.call(read, path)

    @root_only
    def test_pids_as_the_reader_sees_them(self):
        a = self.agent("a", pidns=True)
        a.call(refuse, self.at("a/pids.max"))
        inside, = self.seen(a)
        outside, = self.seen()
        self.assertEqual((a.call(os.getpid), a.pid), (inside["pid"], outside["pid"]))
        self.assertEqual(1, inside["pid"])

    def test_follow(self):
        follower = self.follow("--json")
        for n in range(3):
            self.check("EINVAL", write, self.at("a/pids.max"), f"bad {n}")
            entry = self.mine(follower)
            self.assertEqual(f"bad {n}", entry["text"])
        late = self.follow()
        text = [late.line() for _ in range(3)]
        self.assertIn('"bad 2"', self.mine_text(late, text))
        for process in (follower, late):
            self.assertEqual((0, ""), process.interrupt())

    def mine(self, follower):
        """The next entry of this test: others share the mount, and may fill it up."""
        while not (entry := follower.entry()).get("file", "").startswith(self.name):
            pass
        return entry

    def mine_text(self, follower, lines):
        while '"bad 2"' not in lines[-1]:
            lines.append(follower.line())
        return lines[-1]

    def test_follow_sleeps(self):
        """It waits without asking, and ends at SIGTERM, too: also while nobody reads from it."""
        follower = self.follow()
        self.check("EINVAL", write, self.at("a/pids.max"), "bad 2")
        self.mine_text(follower, [""])

        def turns():
            status = read(f"/proc/{follower.process.pid}/status")
            return status[status.index("\nvoluntary_ctxt_switches"):]

        def sleeps():
            before = turns()
            select.select([], [], [], 0.3)
            return turns() == before
        wait_for(sleeps, "a follower that sleeps")
        refuse(self.at("a/pids.max"), KEPT)  # more than a pipe takes
        wait_for(sleeps, "a follower whose pipe is full")
        self.assertEqual((0, ""), follower.interrupt(signal.SIGTERM))

    def test_follow_broken_pipe(self):
        """Also while nothing comes."""
        source, sink = os.pipe()
        follower = self.follow(stdout=sink)
        os.close(sink)
        os.close(source)
        self.assertEqual((0, ""), follower.wait())

    def test_lost(self):
        """Who is too slow is told how many he missed; nothing comes twice, the end is an end."""
        path = self.mount.path("ctl/errors.json")
        a = self.agent("a")
        fd = a.call(os.open, path, os.O_RDONLY)
        a.call(refuse, self.at("a/pids.max"), KEPT + 100)
        text = b""
        while piece := a.call(os.read, fd, 1 << 16):
            text += piece
        got = entries(text.decode())
        lost = [e["lost"] for e in got if "lost" in e]
        numbers = [e["seq"] for e in got if "seq" in e]
        self.assertEqual(KEPT + 100, len(numbers) + sum(lost))
        self.assertGreaterEqual(sum(lost), 100)
        self.assertEqual(sorted(set(numbers)), numbers)
        self.assertEqual(b"", a.call(os.read, fd, 1 << 16))

    def test_flood_is_fair(self):
        """One container's flood leaves another's refusals, also from many cgroups."""
        a, b = self.agent("a"), self.agent("b")
        b.call(refuse, self.at("b/pids.max"), 10)
        for n in range(20):
            self.mkdir(f"a/{n}")
            write(self.at(f"a/{n}/cgroup.procs"), str(a.pid))
            a.call(refuse, self.at("a/pids.max"), KEPT // 10)
        self.assertEqual(10, len(self.seen(b)))

    def test_poll(self):
        a = self.agent("a")
        a.call(refuse, self.at("a/pids.max"))
        with opened(self.mount.path("ctl/errors"), os.O_RDONLY) as fd:
            poll = select.epoll()
            self.addCleanup(poll.close)
            poll.register(fd, select.EPOLLIN)
            self.assertEqual([(fd, select.EPOLLIN)], poll.poll(0))
            while os.read(fd, 1 << 16):
                pass
            self.assertEqual([], poll.poll(0))
            a.call(refuse, self.at("a/pids.max"))
            self.assertEqual([(fd, select.EPOLLIN)], poll.poll(30))
            self.assertEqual(1, os.read(fd, 1 << 16).count(b"\n"))

    def test_readers_are_bounded(self):
        """By container: one that has too many does not keep others from reading."""
        a = self.agent("a")
        path = self.mount.path("ctl/errors")
        for _ in range(256):
            a.call(os.open, path, os.O_RDONLY)
        self.check("EMFILE", a.call, os.open, path, os.O_RDONLY)
        read(path)


class Ends(Case):
    def test_daemon_ends(self):
        """A follower ends when the daemon does, cleanly or not."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(how=how):
                mount = Mount()
                mount.__enter__()
                self.addCleanup(mount.end)
                follower = Follower(mount.point)
                self.addCleanup(follower.end)
                self.check("EPERM", os.symlink, "target", mount.cgroup("a"))
                follower.line()
                mount.process.send_signal(how)
                status, said = follower.wait()
                self.assertEqual(0, status, said)
                self.assertIn("the daemon has ended", said)

    def test_log(self):
        """Refusals in the log: a container's burst, and how many more there were."""
        with Mount("-o", "log-refusals") as mount:
            os.mkdir(mount.cgroup("a"))
            agents = [Agent(), Agent()]
            for agent, name in zip(agents, "ab"):
                self.addCleanup(agent.end)
                os.makedirs(mount.cgroup(name, "b", "c"), exist_ok=True)
                write(mount.cgroup(name, "b", "c", "cgroup.procs"), str(agent.pid))
            write(mount.cgroup("cgroup.subtree_control"), "+pids")
            agents[0].call(refuse, mount.cgroup("a/pids.max"), 500)
            agents[1].call(refuse, mount.cgroup("b/pids.max"), 3)
            lines = [line for line in mount.stderr().splitlines() if " refused: " in line]
            of = [sum(f" /{name}/pids.max: EINVAL" in line for line in lines) for name in "ab"]
            suppressed = mount.stats()["log_suppressed"]
            self.assertEqual(500, of[0] + suppressed)
            self.assertEqual(3, of[1])
            self.assertLess(of[0], 100)

    def test_no_log(self):
        with Mount() as mount:
            self.check("EPERM", os.symlink, "x", mount.cgroup("x"))
            self.assertNotIn("refused", mount.stderr())


class Audit(Case):
    def target(self):
        return os.path.join(self.enterContext(tempfile.TemporaryDirectory(prefix="audit.")), "log")

    def test_changes(self):
        """A line for each thing that was changed, none for what was refused or read."""
        path = self.target()
        with Mount("-o", f"audit={path}") as mount:
            at = mount.cgroup
            write(at("cgroup.subtree_control"), "+pids")
            os.mkdir(at("a"))
            write(at("a/pids.max"), "5\n")
            self.check("EINVAL", write, at("a/pids.max"), "x")
            read(at("a/pids.max"))
            os.chmod(at("a"), 0o700)
            os.chown(at("a/pids.max"), os.geteuid(), os.getegid())
            os.setxattr(at("a"), "user.n", b"v\n\xff")
            os.removexattr(at("a"), "user.n")
            os.rmdir(at("a"))
        lines = entries(read(path))
        self.assertEqual([
            ("write", "/cgroup.subtree_control", "+pids"), ("mkdir", "/a", None),
            ("write", "/a/pids.max", "5\n"), ("chmod", "/a", "0700"),
            ("chown", "/a/pids.max", f"{os.geteuid()}:{os.getegid()}"),
            ("setxattr", "/a", "user.n=v\n\ufffd"), ("removexattr", "/a", "user.n"),
            ("rmdir", "/a", None)], [(e["op"], e["file"], e.get("text")) for e in lines])
        for e in lines:
            self.assertEqual((os.getpid(), os.geteuid(), "/"),
                             (e["pid"], e["uid"], e["container"]))
        self.assertEqual(0o600, os.stat(path).st_mode & 0o777)

    def test_rotation(self):
        path = self.target()
        with Mount("-o", f"audit={path}") as mount:
            os.mkdir(mount.cgroup("a"))
            wait_for(lambda: mount.stats()["audit_written"] == 1, "the first line")
            os.rename(path, path + ".1")
            os.mkdir(mount.cgroup("b"))
            wait_for(lambda: mount.stats()["audit_written"] == 2, "the second line")
            self.assertEqual(["/b"], [e["file"] for e in entries(read(path))])
            self.assertEqual(["/a"], [e["file"] for e in entries(read(path + ".1"))])

    @root_only
    def test_full(self):
        """A file system without room: changes go on, lines wait, are counted and told; none is lost
        once there is room again."""
        disk = tempfile.mkdtemp(prefix="disk.")
        self.addCleanup(os.rmdir, disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        filler = disk + "/filler"
        with Mount("-o", f"audit={disk}/log") as mount:
            with opened(filler, os.O_WRONLY | os.O_CREAT) as fd:
                while outcome(os.write, fd, b"x" * 4096) == "OK":
                    pass
            for n in range(50):
                os.mkdir(mount.cgroup(f"d{n}"))
            stats = wait_for(lambda: (s := mount.stats())["audit_waiting"] > 0 and s, "a full disk")
            self.assertEqual(0, stats["audit_lost"])
            wait_for(lambda: "No space left" in mount.stderr(), "a word about it")
            os.unlink(filler)
            wait_for(lambda: mount.stats()["audit_written"] == 50, "the lines that waited")
        made = [json.loads(line)["file"] for line in read(disk + "/log").splitlines()
                if line.endswith("}") and line.startswith("{")]
        self.assertEqual([f"/d{n}" for n in range(50)], made)

    def test_refused_targets(self):
        for target, words in (("nonsense", "absolute path"), ("/", "absolute path"),
                              ("/nonexistent/x", "/nonexistent"), ("/dev/null", "regular file")):
            done = run_ctlfs("mount", "--backend", "emulator", "-o", f"audit={target}", "/mnt")
            self.assertEqual(1, done.status, done)
            self.assertIn("-o audit: ", done.err)
            self.assertIn(words, done.err)
            self.assertFalse(is_mounted("/mnt"))

    @root_only
    def test_journal(self):
        """Fields, to whoever takes the journal's messages: here it is the test."""
        agent = Agent()
        self.addCleanup(agent.end)
        messages = agent.call(with_journal)
        fields = [dict(line.split("=", 1) for line in m.splitlines() if "=" in line)
                  for m in messages]
        self.assertEqual(["mkdir", "rmdir"], [f["CTLFS_OP"] for f in fields])
        self.assertEqual(["/a", "/a"], [f["CTLFS_FILE"] for f in fields])
        self.assertEqual("ctlfs", fields[0]["SYSLOG_IDENTIFIER"])
        self.assertRegex(fields[0]["MESSAGE"], r"Z /a: done \[mkdir by ")


def with_journal():
    """In a mount namespace of its own, whose /run is ours: what a mount sends to the journal."""
    own_mounts()
    checked(libc.mount(b"none", b"/run", b"tmpfs", 0, None))
    os.makedirs("/run/systemd/journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind("/run/systemd/journal/socket")
        journal.settimeout(30)
        with Mount("-o", "audit=journal") as mount:
            os.mkdir(mount.cgroup("a"))
            os.rmdir(mount.cgroup("a"))
            return [journal.recv(1 << 16).decode() for _ in range(2)]
