# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs mount` and the commands that look at a mount: how a daemon starts, ends and counts."""
import json
import os
import re
import signal
import subprocess
import tempfile
import threading

from agents import Agent
from harness import (CTLFS, DEADLINE, REPO, Case, Mount, describe, environment, extra_mark,
                     is_mounted, keyed, marked, opened, outcome, read, root_only, run_ctlfs,
                     run_program, tool, unmount, wait_for, write)

HELPER = str(REPO / "mount-helpers" / "mount.ctlfs")


class Daemon(Case):
    def setUp(self):
        self.point = tempfile.mkdtemp(prefix="point.")
        self.addCleanup(self.clean)

    def clean(self):
        while is_mounted(self.point):
            unmount(self.point)
        os.rmdir(self.point)

    def mount(self, *args, **kwargs):
        return run_ctlfs("mount", "--backend", "emulator", *args, self.point, **kwargs)

    def ended(self, mark):
        try:
            wait_for(lambda: not marked(mark), "the daemon's end")
        except AssertionError:
            self.fail("still there: " + ", ".join(map(describe, marked(mark))))

    def test_daemon(self):
        """Serves when the command returns; lets go of terminal, directory and streams."""
        with extra_mark("d") as mark:
            done = self.mount()
        self.assertEqual((0, "", ""), (done.status, done.out, done.err), done)
        self.assertRegex(read(self.point + "/ctl/version"), r"^\d+\.\d+\.\d+\n$")
        daemon, = marked(mark)
        self.assertEqual("/", os.readlink(f"/proc/{daemon}/cwd"))
        self.assertEqual(daemon, os.getsid(daemon))
        self.assertEqual(["/dev/null"] * 3,
                         [os.readlink(f"/proc/{daemon}/fd/{fd}") for fd in range(3)])
        os.kill(daemon, signal.SIGTERM)
        self.ended(mark)
        self.assertFalse(is_mounted(self.point))

    def test_unmounted_from_outside(self):
        with extra_mark("u") as mark:
            self.mount()
        unmount(self.point)
        self.ended(mark)
        self.assertFalse(is_mounted(self.point))

    def test_signals(self):
        """Each ends the service cleanly, also while it is in use."""
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            with self.subTest(signal=name):
                # What is open at the end the daemon leaves to the kernel: no leak.
                mount = Mount(env=environment())
                with mount, opened(mount.path("ctl/version")) as fd:
                    user = Agent()
                    self.addCleanup(user.end)
                    user.call(os.chdir, mount.cgroup())
                    os.read(fd, 3)
                    mount.process.send_signal(getattr(signal, name))
                    self.assertEqual(0, mount.process.wait(DEADLINE), mount.stderr())
                    self.assertFalse(is_mounted(mount.point))
                    self.assertNotEqual("OK", outcome(os.pread, fd, 3, 0))

    def test_killed(self):
        """A dead daemon's mount gives errors, can be unmounted, and the next one starts."""
        with extra_mark("k") as mark:
            self.mount()
        os.kill(marked(mark)[0], signal.SIGKILL)
        self.ended(mark)
        self.assertIn(outcome(read, self.point + "/ctl/version"), ("ENOTCONN", "ECONNABORTED"))
        done = run_ctlfs("status", self.point)
        self.assertEqual(1, done.status, done)
        self.assertIn(self.point, done.out + done.err)
        unmount(self.point)
        with extra_mark("k2") as mark:
            self.assertEqual(0, self.mount().status)
            read(self.point + "/proc/meminfo")
        os.kill(marked(mark)[0], signal.SIGTERM)
        self.ended(mark)

    def test_twice(self):
        """One mount over another: each daemon ends with its own."""
        with extra_mark("below") as below:
            self.assertEqual(0, self.mount().status)
        os.mkdir(self.point + "/cgroup/below")
        with extra_mark("above") as above:
            done = self.mount()
        if done.status == 0:
            self.assertNotIn("below", os.listdir(self.point + "/cgroup"))
            os.kill(marked(above)[0], signal.SIGTERM)
            self.ended(above)
        else:  # fusermount3 does not mount over a FUSE file system
            self.assertEqual(1, done.status, done)
            self.assertIn(self.point, done.err)
        self.assertIn("below", os.listdir(self.point + "/cgroup"))
        os.kill(marked(below)[0], signal.SIGTERM)
        self.ended(below)
        self.assertFalse(is_mounted(self.point))

    def test_bad_mount_points(self):
        for path in (self.point + "/missing", "/etc/passwd"):
            for options in ((), ("-f",)):
                done = run_ctlfs("mount", "--backend", "emulator", *options, path)
                self.assertEqual((1, ""), (done.status, done.out), done)
                self.assertRegex(done.err, r"^ctlfs: mount: .*" + re.escape(path) + ".*\n$")

    def test_read_only(self):
        with Mount("-o", "ro") as mount:
            self.assertEqual("EROFS", outcome(os.mkdir, mount.cgroup("x")))
            self.assertEqual("EROFS", outcome(write, mount.cgroup("cgroup.max.depth"), "1"))
            self.assertEqual("max\n", read(mount.cgroup("cgroup.max.depth")))

    def test_options(self):
        with Mount("-o", "threads=1,spin=0") as mount:
            stats = mount.stats()
            self.assertEqual((1, 0, "emulator"),
                             (stats["threads"], stats["spin_usec"], stats["backend"]))

    @root_only
    def test_no_device(self):
        """Said in words where /dev/fuse is missing: a mount namespace of our own that hides it."""
        script = 'mount -t tmpfs tmpfs /dev && touch /dev/null && exec "$@"'
        for command, status in ((["mount", self.point], 1), (["run", "true"], 125)):
            argv = [*command[:1], "--backend", "emulator", *command[1:]]
            done = run_program([tool("unshare"), "-m", "--propagation", "private", "sh", "-c",
                                script, "sh", CTLFS, *argv])
            self.assertEqual((status, ""), (done.status, done.out), done)
            self.assertRegex(done.err, r"(?m)^ctlfs: .*/dev/fuse")

    @root_only
    def test_helper(self):
        """mount.ctlfs, as mount(8) calls it: SOURCE DIRECTORY [-sfnv] [-o OPTIONS]."""
        with extra_mark("h") as mark:
            env = environment(PATH=os.path.dirname(CTLFS) + ":" + os.environ["PATH"])
            done = run_program([HELPER, "ctlfs", self.point, "-n", "-v", "-o",
                                "rw,noauto,backend=emulator,threads=2,allow_other"], env=env)
        self.assertEqual(0, done.status, done)
        self.assertTrue(is_mounted(self.point))
        self.assertEqual("2", str(keyed(read(self.point + "/ctl/stats"))["threads"]))
        os.kill(marked(mark)[0], signal.SIGTERM)
        self.ended(mark)
        done = run_program([HELPER, "ctlfs", self.point, "-o", "bogus_option"], env=env)
        self.assertNotEqual(0, done.status)
        self.assertIn("bogus_option", done.err)


class Tools(Case):
    """status and errors."""

    def setUp(self):
        self.mount = self.enterContext(Mount())

    def test_status(self):
        done = run_ctlfs("status", "--json")  # of all mounts: others' may be ending
        ours, = [m for m in json.loads(done.out) if m["mount"] == self.mount.point]
        self.assertEqual("emulator", ours["backend"])
        self.assertRegex(ours["version"], r"^\d+\.\d+\.\d+$")
        done = run_ctlfs("status", "--json", self.mount.point)
        self.assertEqual((0, ""), (done.status, done.err), done)
        one, = json.loads(done.out)
        self.assertGreater(one["requests"], ours["requests"])
        self.assertEqual(set(ours), set(one))
        text = run_ctlfs("status", self.mount.point).out
        self.assertTrue(text.startswith(self.mount.point + "\n"), text)
        self.assertRegex(text, r"(?m)^  backend +emulator$")

    def test_odd_name(self):
        """A mount point with characters that mountinfo and JSON escape."""
        odd = tempfile.mkdtemp(prefix='a b"\\\n\u20ac.')
        self.addCleanup(os.rmdir, odd)
        with extra_mark("odd") as mark:
            self.assertEqual(0, run_ctlfs("mount", "--backend", "emulator", odd).status)
        try:
            points = [m["mount"] for m in json.loads(run_ctlfs("status", "--json").out)]
            self.assertIn(odd, points)
            self.assertEqual(0, run_ctlfs("status", odd).status)
        finally:
            os.kill(marked(mark)[0], signal.SIGTERM)
            wait_for(lambda: not marked(mark), "the daemon's end")

    def test_not_ours(self):
        done = run_ctlfs("status", "/")
        self.assertEqual((1, ""), (done.status, done.out), done)
        done = run_ctlfs("errors", "/")
        self.assertEqual((1, ""), (done.status, done.out), done)

    def test_errors(self):
        self.assertEqual("", run_ctlfs("errors", self.mount.point).out)
        write(self.mount.cgroup("cgroup.subtree_control"), "+cpu +memory")
        os.mkdir(self.mount.cgroup("a"))
        refused = ((write, "a/memory.max", "1KB", "EINVAL"), (write, "a/cpu.weight", "0", "ERANGE"),
                   (write, "a/cgroup.subtree_control", "+pids", "ENOENT"),
                   (write, "a/cgroup.procs", "4194304", "ESRCH"), (os.rmdir, "a", "EBUSY"))
        os.mkdir(self.mount.cgroup("a/b"))
        for function, path, *rest in refused:
            self.check(rest[-1], function, self.mount.cgroup(path), *rest[:-1])
        lines = run_ctlfs("errors", self.mount.point).out.splitlines()
        self.assertEqual(len(refused), len(lines), lines)
        for line, (_, path, *rest) in zip(lines, refused):
            self.assertRegex(line, rf"^\S+Z /{re.escape(path)}: {rest[-1]}: .{{5,}}$")
        self.assertEqual(lines, read(self.mount.path("ctl/errors")).splitlines())


class Parallel(Case):
    """Many at once: every operation is answered, and counted."""
    THREADS, TURNS = 8, 40

    def work(self, mount, number, broken):
        try:
            for turn in range(self.TURNS):
                path = mount.cgroup(f"w{number}-{turn % 3}")
                os.mkdir(path)
                write(path + "/pids.max", str(turn))
                self.assertEqual(f"{turn}\n", read(path + "/pids.max"))
                self.assertEqual("EINVAL", outcome(write, path + "/pids.max", "junk"))
                self.assertIn("MemTotal", read(mount.path("proc/meminfo")))
                read(mount.path("view", os.stat(path).st_ino, "proc/stat"))
                os.listdir(mount.cgroup())
                os.rmdir(path)
        except Exception as error:
            broken.append(error)

    def test_counts(self):
        with Mount() as mount:
            write(mount.cgroup("cgroup.subtree_control"), "+pids")
            before, broken = mount.stats(), []
            threads = [threading.Thread(target=self.work, args=(mount, n, broken))
                       for n in range(self.THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual([], broken)
            after, turns = mount.stats(), self.THREADS * self.TURNS
            self.assertEqual(2 * turns, after["writes"] - before["writes"])
            self.assertEqual(turns, after["errors"] - before["errors"])
            # Two writes, three reads; ctl/stats itself once.
            self.assertEqual(5 * turns + 1, after["opens"] - before["opens"])
            self.assertGreaterEqual(after["reads"] - before["reads"], 2 * 3 * turns)
            self.assertGreater(after["requests"] - before["requests"], 10 * turns)
            self.assertEqual([], [n for n in os.listdir(mount.cgroup()) if n.startswith("w")])

    def test_one_directory(self):
        """Several make and remove the same directory: one succeeds, others get an honest errno."""
        with Mount() as mount:
            path, broken, made = mount.cgroup("same"), [], []

            def work():
                for _ in range(self.TURNS):
                    got = outcome(os.mkdir, path)
                    made.append(got == "OK")
                    if got not in ("OK", "EEXIST"):
                        broken.append(("mkdir", got))
                    got = outcome(read, path + "/cgroup.procs")
                    if got not in ("OK", "ENOENT", "ENODEV"):
                        broken.append(("read", got))
                    got = outcome(os.rmdir, path)
                    made.append(-(got == "OK"))
                    if got not in ("OK", "ENOENT"):
                        broken.append(("rmdir", got))
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual([], broken)
            self.assertEqual(0, sum(made))
            self.assertFalse(os.path.exists(path))


class Callers(Case):
    modes = ("root",)

    def test_allow_other(self):
        """Others may read what modes allow, and see what they did wrong."""
        with Mount() as mount:
            agent = Agent(65534)
            self.addCleanup(agent.end)
            self.assertIn("MemTotal", agent.call(read, mount.path("proc/meminfo")))
            self.assertEqual("EACCES", outcome(agent.call, os.mkdir, mount.cgroup("x")))
            self.assertEqual(0, subprocess.run([CTLFS, "status", mount.point], check=False,
                                               stdout=subprocess.DEVNULL, timeout=DEADLINE,
                                               user=65534).returncode)
