# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes in cgroups: migration, inheritance, usage, kill, freeze, and delegation to another
user. On the emulator, with the results of Linux 6.12."""
import os
import re
import signal
import time
from pathlib import Path

import agents
from agents import Agent
from harness import MountCase, keyed, opened, outcome, read, root_only, wait_for, write


CAP_SYS_RESOURCE = 24


def state(pid):
    """The letter of a process' state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class Members(MountCase):
    """Tests with processes."""
    granted = "+cpu +memory +pids"

    def setUp(self):
        super().setUp()
        self.mkdir("a", "b")

    def agent(self, path=None, **kwargs):
        agent = Agent(**kwargs)
        self.addCleanup(agent.end)
        if path is not None:
            self.move(agent.pid, path)
        return agent

    def move(self, pid, path):
        self.write(path + "/cgroup.procs", str(pid))

    def move_outcome(self, pid, path):
        return outcome(self.move, pid, path)


class Migration(Members):
    def test_errnos(self):
        dead = self.agent()
        dead.end()
        rows = (("", "OK"), ("abc", "EINVAL"), ("-1", "EINVAL"), ("99999999999", "EINVAL"),
                ("1 2", "EINVAL"), (str(dead.pid), "ESRCH"), ("4194304", "ESRCH"))
        for text, want in rows:
            with self.subTest(text=text):
                self.check(want, write, self.at("a/cgroup.procs"), text)
        self.assertEqual([], self.members("a"))

    def test_kernel_thread(self):
        if Path("/proc/2/comm").exists() and Path("/proc/2/comm").read_text() == "kthreadd\n":
            self.assertEqual("EINVAL", self.move_outcome(2, "a"))
        else:
            self.skipTest("process 2 is not kthreadd in this pid namespace")

    def test_how_a_process_is_named(self):
        """By its pid in any spelling, by 0 for the writer, by any of its threads."""
        agent = self.agent()
        thread = agent.call(agents.start_thread)
        for text in (f" {agent.pid}\n", f"{agent.pid:#x}", f"+{agent.pid}", f"0{agent.pid:o}",
                     str(thread)):
            with self.subTest(text=text):
                self.move(agent.pid, "b")
                self.write("a/cgroup.procs", text)
                self.assertEqual([agent.pid], self.members("a"))
                self.assertEqual([], self.members("b"))
        agent.call(write, self.at("b/cgroup.procs"), "0")
        self.assertEqual([agent.pid], self.members("b"))
        self.assertEqual(sorted([agent.pid, thread]),
                         sorted(map(int, self.read("b/cgroup.threads").split())))
        self.check("OK", write, self.at("b/cgroup.threads"), str(thread))
        self.check("EOPNOTSUPP", write, self.at("a/cgroup.threads"), str(thread))

    def test_one_place(self):
        """A process is in one cgroup at a time; the root takes any."""
        agent = self.agent("a")
        for path in ("b", "a", "b"):
            self.move(agent.pid, path)
            held = [p for p in ("a", "b") if self.members(p)]
            self.assertEqual([path], held)
        write(self.mount.cgroup("cgroup.procs"), str(agent.pid))
        self.assertEqual([], self.members("a") + self.members("b"))
        self.assertIn(str(agent.pid), read(self.mount.cgroup("cgroup.procs")).split())

    def test_dead_destination(self):
        agent = self.agent()
        with opened(self.at("a/cgroup.procs"), os.O_WRONLY) as fd:
            os.rmdir(self.at("a"))
            self.check("ENODEV", os.write, fd, str(agent.pid).encode())
            self.check("ENODEV", os.write, fd, b"junk")

    def test_zombies(self):
        """They are in no list, move nowhere, and hold no directory."""
        agent = self.agent("a")
        zombie = agent.call(agents.make_zombie)
        self.assertEqual([agent.pid], self.members("a"))
        self.assertEqual("OK", self.move_outcome(zombie, "b"))
        self.assertEqual([], self.members("b"))
        self.move(agent.pid, "b")
        self.wait_text("a/cgroup.events", "populated 0\nfrozen 0\n")
        self.check("OK", os.rmdir, self.at("a"))

    def test_rmdir_populated(self):
        agent = self.agent("a")
        self.check("EBUSY", os.rmdir, self.at("a"))
        agent.end()
        wait_for(lambda: outcome(os.rmdir, self.at("a")) == "OK", "rmdir after the last exit")

    @root_only
    def test_pid_namespace(self):
        """Pids are the reader's and the writer's own; 0 for who is invisible there."""
        inside, outside = self.agent("a", pidns=True), self.agent("a")
        procs = self.at("a/cgroup.procs")
        self.assertEqual({inside.pid, outside.pid}, set(self.members("a")))
        self.assertEqual({"1", "0"}, set(inside.call(read, procs).split()))
        child = inside.call(agents.spawn, "fork")
        self.check("OK", inside.call, write, self.at("b/cgroup.procs"), str(child))
        self.assertEqual([str(child)], inside.call(read, self.at("b/cgroup.procs")).split())
        self.assertNotEqual(["0"], self.read("b/cgroup.procs").split())
        self.assertEqual("ESRCH", outcome(inside.call, write, procs, str(outside.pid)))


class Inheritance(Members):
    def test_descendants(self):
        """Exactly, over everything a process can do to its children."""
        agent = self.agent("a")
        pids = {how: agent.call(agents.spawn, how) for how in ("fork", "setsid", "orphan", "exec")}
        wait_for(lambda: Path(f"/proc/{pids['exec']}/comm").read_text() == "sleep\n", "the exec")
        self.assertEqual(sorted([agent.pid, *pids.values()]), self.members("a"))
        self.move(agent.pid, "b")
        late = agent.call(agents.spawn, "orphan")
        self.assertEqual(sorted(pids.values()), self.members("a"))
        self.assertEqual(sorted([agent.pid, late]), self.members("b"))
        self.assertEqual("4\n", self.read("a/pids.current"))
        self.write("a/cgroup.kill", "1")
        self.wait_text("a/cgroup.events", "populated 0\nfrozen 0\n")
        self.assertEqual([], self.members("a"))
        self.assertEqual(sorted([agent.pid, late]), self.members("b"))


class Usage(Members):
    """Accounting of what members really use."""

    def test_threads(self):
        agent = self.agent("a")
        self.wait_text("a/pids.current", "1\n")
        agent.call(agents.start_thread)
        agent.call(agents.start_thread)
        self.wait_text("a/pids.current", "3\n")
        self.assertEqual("3\n", self.read("pids.current"))
        self.assertEqual("0\n", self.read("b/pids.current"))

    def test_memory(self):
        size = 48 << 20
        agent = self.agent("a")
        before = int(self.read("a/memory.current"))
        agent.call(agents.hold_memory, size)
        held = int(self.read("a/memory.current"))
        self.assertGreaterEqual(held, before + size)
        self.assertGreaterEqual(int(self.read("memory.current")), held)
        self.assertGreaterEqual(int(self.read("a/memory.peak")), held)
        self.assertGreaterEqual(keyed(self.read("a/memory.stat"))["anon"], size)
        agent.call(agents.drop_memory)
        self.assertLess(int(self.read("a/memory.current")), held - size // 2)
        self.assertGreaterEqual(int(self.read("a/memory.peak")), held)

    def test_cpu(self):
        """Rises with the members' use, counts for ancestors, never falls, not even at an exit."""
        agent = self.agent("a")
        agent.call(agents.burn, 0.5)
        used = keyed(self.read("a/cpu.stat"))
        self.assertGreaterEqual(used["usage_usec"], 400_000)
        self.assertGreaterEqual(used["usage_usec"], used["user_usec"])
        self.assertGreaterEqual(keyed(self.read("cpu.stat"))["usage_usec"], used["usage_usec"])
        agent.end()
        self.wait_text("a/cgroup.events", "populated 0\nfrozen 0\n")
        self.assertGreaterEqual(keyed(self.read("a/cpu.stat"))["usage_usec"], used["usage_usec"])


class Kill(Members):
    def test_recursive(self):
        self.mkdir("c", "c/d", "c/d/e")
        inner, outer, beside = self.agent("c/d/e"), self.agent("c"), self.agent("b")
        self.check("EINVAL", write, self.at("c/cgroup.kill"), "x")
        self.check("ERANGE", write, self.at("c/cgroup.kill"), "0")
        self.write("c/d/cgroup.kill", "1")
        self.assertEqual(-signal.SIGKILL, inner.wait())
        self.assertFalse(outer.ended())
        self.write("c/cgroup.kill", "1\n")
        self.assertEqual(-signal.SIGKILL, outer.wait())
        self.wait_text("c/cgroup.events", "populated 0\nfrozen 0\n")
        self.assertFalse(beside.ended())
        self.check("OK", write, self.at("c/cgroup.kill"), "1")

    def test_own(self):
        """A process may kill its own cgroup; other threads do not save it."""
        agent = self.agent("a")
        agent.call(agents.start_thread)
        agent.conn.send((write, (self.at("a/cgroup.kill"), "1")))
        self.assertEqual(-signal.SIGKILL, agent.wait())

    def test_frozen(self):
        agent = self.agent("a")
        self.write("a/cgroup.freeze", "1")
        self.wait_text("a/cgroup.events", "populated 1\nfrozen 1\n")
        self.write("a/cgroup.kill", "1")
        self.assertEqual(-signal.SIGKILL, agent.wait())
        self.wait_text("a/cgroup.events", "populated 0\nfrozen 1\n")
        self.assertEqual("1\n", self.read("a/cgroup.freeze"))


class Freeze(Members):
    def setUp(self):
        super().setUp()
        self.mkdir("a/b", "a/c")

    def events(self, path, populated, frozen):
        self.wait_text(path + "/cgroup.events", f"populated {populated}\nfrozen {frozen}\n")

    def test_hierarchy(self):
        agent = self.agent("a/b")
        self.write("a/cgroup.freeze", "1")
        self.events("a", 1, 1)
        self.events("a/b", 1, 1)
        self.events("a/c", 0, 1)
        self.assertEqual("0\n", self.read("a/b/cgroup.freeze"))
        self.mkdir("a/late")
        self.events("a/late", 0, 1)
        self.assertEqual("0\n", self.read("a/late/cgroup.freeze"))
        self.write("a/b/cgroup.freeze", "0")
        self.events("a/b", 1, 1)
        self.write("a/b/cgroup.freeze", "1")
        self.write("a/cgroup.freeze", "0")
        self.events("a", 1, 0)
        self.events("a/b", 1, 1)
        self.events("a/c", 0, 0)
        self.write("a/b/cgroup.freeze", "0")
        self.events("a/b", 1, 0)
        self.assertEqual(agent.pid, agent.call(os.getpid))

    def test_stands_still(self):
        """A frozen member uses no CPU time, and goes on when thawed."""
        agent = self.agent("a/b")
        agent.conn.send((agents.burn, (0.2,)))
        self.write("a/cgroup.freeze", "1")
        self.events("a/b", 1, 1)
        wait_for(lambda: state(agent.pid) in "TtS", "the process stands")
        before = Path(f"/proc/{agent.pid}/stat").read_text().split()[13:15]
        time.sleep(0.05)  # gives it a chance to do what it must not
        self.assertEqual(before, Path(f"/proc/{agent.pid}/stat").read_text().split()[13:15])
        self.write("a/cgroup.freeze", "0")
        self.assertEqual((True, None), agent.answer())

    def test_moving(self):
        """In: frozen with the rest. Out: it runs."""
        agent = self.agent("b")
        self.write("a/cgroup.freeze", "1")
        self.move(agent.pid, "a/b")
        self.events("a/b", 1, 1)
        wait_for(lambda: state(agent.pid) in "TtS", "the process stands")
        self.move(agent.pid, "b")
        self.events("a/b", 0, 1)
        self.assertEqual(agent.pid, agent.call(os.getpid))


class Delegation(Members):
    """A directory given to another user, as the kernel's documentation says: the directory and
    its procs, threads and subtree_control files."""
    modes = ("root",)
    USER = 65534

    def setUp(self):
        super().setUp()
        for name in ("", "/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control"):
            os.chown(self.at("a" + name), self.USER, self.USER)
        self.user = self.agent("a", uid=self.USER)

    def as_user(self, function, *args):
        return outcome(self.user.call, function, *args)

    def test_inside(self):
        """All that is his: cgroups, controllers, processes, also root's."""
        steps = (
            ("OK", os.mkdir, self.at("a/x")),
            ("OK", os.mkdir, self.at("a/y")),
            ("OK", write, self.at("a/x/cgroup.procs"), "0"),
            ("OK", write, self.at("a/cgroup.subtree_control"), "+memory +pids"),
            ("OK", write, self.at("a/x/memory.max"), "1G"),
            ("OK", write, self.at("a/y/cgroup.max.depth"), "1"),
            ("EACCES", write, self.at("a/memory.max"), "1G"),
            ("EACCES", write, self.at("a/cgroup.freeze"), "1"),
        )
        for want, function, *args in steps:
            with self.subTest(function=function.__name__, args=args):
                self.assertEqual(want, self.as_user(function, *args))
        attr = os.stat(self.at("a/x/memory.max"))
        self.assertEqual((self.USER, self.USER), (attr.st_uid, attr.st_gid))
        guest = self.agent("a/x")
        self.assertEqual("OK", self.as_user(write, self.at("a/y/cgroup.procs"), str(guest.pid)))
        self.assertEqual([guest.pid], self.members("a/y"))
        self.assertEqual("OK", self.as_user(write, self.at("a/y/cgroup.kill"), "1"))
        self.assertEqual(-signal.SIGKILL, guest.wait())
        self.wait_text("a/y/cgroup.events", "populated 0\nfrozen 0\n")
        self.assertEqual("OK", self.as_user(os.rmdir, self.at("a/y")))

    def test_borders(self):
        """Nothing is moved over the border, in or out, by him alone."""
        other = self.agent("b")
        self.assertEqual("EACCES", self.as_user(write, self.at("b/cgroup.procs"), "0"))
        self.assertEqual("EACCES",
                         self.as_user(write, self.at("a/cgroup.procs"), str(other.pid)))
        own = self.agent("b", uid=self.USER)
        self.assertEqual("EACCES", self.as_user(write, self.at("a/cgroup.procs"), str(own.pid)))
        self.assertEqual(sorted([own.pid, other.pid]), self.members("b"))
        self.assertEqual("EACCES", self.as_user(os.rmdir, self.at("a")))
        self.assertEqual("EACCES", self.as_user(os.mkdir, self.at("new")))
        self.assertEqual("EPERM", self.as_user(os.chmod, self.at("a/memory.max"), 0o666))
        self.assertEqual("EPERM", self.as_user(os.chown, self.at("a/memory.max"), self.USER, -1))

    def test_foreign_process(self):
        """Moving a process of another user takes CAP_SYS_RESOURCE on the emulator."""
        other = self.agent()
        other.call(agents.become, self.USER)
        capabilities = int(re.search(r"CapEff:\s*(\w+)", read("/proc/self/status"))[1], 16)
        want = "OK" if capabilities >> CAP_SYS_RESOURCE & 1 else "EACCES"
        self.assertEqual(want, self.move_outcome(other.pid, "b"))

    def test_opener_counts(self):
        """Who opened the file, not who writes to it."""
        other = self.agent("b")
        with opened(self.at("a/cgroup.procs"), os.O_WRONLY) as fd:
            heir = self.agent("a", uid=self.USER)
            self.check("OK", heir.call, agents.write_open, fd, str(other.pid))
        self.assertIn(other.pid, self.members("a"))
