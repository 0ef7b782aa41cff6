# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ctlfs run` on the emulator: statuses, signals, streams, limits, messages, terminals, and that
nothing is left behind however it ends."""
import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import time
import unittest

from harness import (CTLFS, DEADLINE, Case, describe, environment, extra_mark, kill_pids, marked,
                     mounts, run_ctlfs, run_in, tool, wait_for)

READY = b"ready\n"


class Running:
    """`ctlfs run COMMAND` in the background, with pipes, once it has said "ready"."""

    def __init__(self, *command, env=None):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [CTLFS, "run", "--backend", "emulator", "--", *command], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.log, env=env or environment())

    def __enter__(self):
        try:
            self.expect(READY)
        except BaseException:
            self.__exit__()
            raise
        return self

    def expect(self, end):
        """Output up to and with end."""
        got, fd = b"", self.process.stdout.fileno()
        limit = time.monotonic() + DEADLINE
        while not got.endswith(end):
            if not select.select([fd], [], [], max(0, limit - time.monotonic()))[0]:
                raise AssertionError(f"waited for {end}, got {got}\n{self.stderr()}")
            part = os.read(fd, 1)
            if not part:
                raise AssertionError(f"ended before {end}, got {got}\n{self.stderr()}")
            got += part
        return got

    def stderr(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def status(self):
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end\n{self.stderr()}") from None

    def __exit__(self, *_):
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Statuses(Case):
    def test_statuses(self):
        """The command's own, as a shell would give it."""
        tmp = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, tmp)
        rows = ((["true"], 0), (["sh", "-c", "exit 42"], 42), (["sh", "-c", "kill -TERM $$"], 143),
                (["sh", "-c", "kill -KILL $$"], 137), ([tmp], 126), (["/etc/passwd"], 126),
                (["no-such-program"], 127), (["/no/such/program"], 127))
        for command, want in rows:
            with self.subTest(command=command):
                done = run_in("--", *command)
                self.assertEqual(want, done.status, done)
                if want in (126, 127):
                    self.assertRegex(done.err, r"(?m)^ctlfs: run: .*" + re.escape(command[0]))

    def test_streams(self):
        """Pass through unchanged, each on its own."""
        data = "".join(f"{n}\n" for n in range(100_000))
        done = run_in("--", "cat", stdin=data)
        self.assertEqual((0, data), (done.status, done.out), done.err)
        done = run_in("sh", "-c", "echo out; echo err >&2; cat; pwd; echo $0 $*", "-x", "a b",
                      "--memory", stdin="in")
        self.assertEqual(f"out\nin{os.getcwd()}\n-x a b --memory\n", done.out)
        self.assertRegex(done.err, r"(?m)^err$")

    def test_environment_and_descriptors(self):
        """No file of ours reaches the command."""
        done = run_in("--", "sh", "-c", "echo $FROM_HERE $CTLFS_MOUNT; ls /proc/self/fd; id -u; "
                      "ls /proc/$$/fd", env=environment(FROM_HERE="seen"))
        lines = done.out.split()
        self.assertEqual(["seen", "/sys/fs/fuse/connections"], lines[:2], done)
        self.assertEqual(["0", "1", "2", "3"], lines[2:6], done)  # 3 is ls's own
        self.assertEqual("0", lines[6])
        self.assertLessEqual(set(lines[7:]), {"0", "1", "2", "10"}, "10 is the shell's own")

    def test_own_processes(self):
        """A pid namespace: the command sees its own processes only."""
        done = run_in("--", "sh", "-c", "cd /sys/fs/cgroup; echo /proc/[0-9]*;"
                      "cat init.scope/cgroup.procs; echo $$; cat cgroup.procs")
        first, init, shell, *members = done.out.split("\n")
        self.assertLessEqual(len(first.split()), 4, first)
        self.assertIn("/proc/1", first.split())
        self.assertEqual("1", init)
        self.assertIn(shell, members)
        self.assertFalse({"0", "1"} & set(members), members)


    def test_init_stays_where_it_may_not_leave(self):
        done = run_in("--set", "cgroup.max.depth=0", "--", "sh", "-c",
                      "cd /sys/fs/cgroup; ls -d */; grep -x 1 cgroup.procs")
        self.assertEqual("1\n", done.out, done)


class Signals(Case):
    def test_passed_on(self):
        """To the command once, whose handling decides."""
        names = ("TERM", "INT", "HUP", "QUIT", "USR1", "WINCH")
        traps = "; ".join(f"trap 'echo {name}' {name}" for name in names)
        script = f"{traps}; trap 'exit 7' USR2; echo ready; while :; do sleep 1000 & wait $!; done"
        with Running("sh", "-c", script) as run:
            for name in names:
                run.process.send_signal(getattr(signal, "SIG" + name))
                self.assertEqual(f"{name}\n".encode(), run.expect(b"\n"))
            run.process.send_signal(signal.SIGUSR2)
            self.assertEqual(7, run.status(), run.stderr())

    def test_default(self):
        with Running("sh", "-c", "echo ready; exec sleep 1000") as run:
            run.process.terminate()
            self.assertEqual(128 + signal.SIGTERM, run.status(), run.stderr())

    def test_stop(self):
        """A command that job control stops is seen to stop, and goes on with whoever continues
        us."""
        with Running("sh", "-c", "echo ready; kill -TSTP $$; echo on; exit 3") as run:
            pid = run.process.pid
            info = wait_for(lambda: os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG), "the stop")
            self.assertEqual(os.CLD_STOPPED, info.si_code)
            os.kill(pid, signal.SIGCONT)
            self.assertEqual(b"on\n", run.expect(b"\n"))
            self.assertEqual(3, run.status(), run.stderr())

    def test_frozen(self):
        """A command that is stopped by SIGSTOP, as cgroup.freeze does, is continued by whoever
        stopped it: that must not leave us stopped."""
        script = ("cd /sys/fs/cgroup; mkdir a; echo $$ >a/cgroup.procs; "
                  "(echo 0 >/sys/fs/cgroup/cgroup.procs; echo 1 >a/cgroup.freeze; "
                  "sleep 1; echo 0 >a/cgroup.freeze) & wait; exit 5")
        self.assertEqual(5, run_in("--", "sh", "-c", script).status)


class Limits(Case):
    def test_files(self):
        done = run_in("--memory", "256M", "--swap", "0", "--cpus", "1.5", "--pids", "64",
                      "--set", "memory.high=200M", "--set", "cgroup.max.depth=3",
                      "--set", "cpu.weight=50", "--", "sh", "-c",
                      "cd /sys/fs/cgroup; cat memory.max memory.swap.max cpu.max pids.max "
                      "memory.high cgroup.max.depth cpu.weight")
        self.assertEqual(f"{256 << 20}\n0\n150000 100000\n64\n{200 << 20}\n3\n50\n", done.out, done)

    def test_no_limits(self):
        done = run_in("--memory", "max", "--cpus", "max", "sh", "-c",
                      "cd /sys/fs/cgroup; cat memory.max cpu.max pids.max cgroup.controllers")
        self.assertEqual("max\nmax 100000\nmax\n"
                         "cpuset cpu io memory hugetlb pids rdma misc\n", done.out, done)

    def test_cpuset(self):
        """The command and what it starts run there, and see no other CPU."""
        done = run_in("--cpuset", "0", "--", "sh", "-c",
                      "nproc; grep -c ^processor /proc/cpuinfo; cat /sys/fs/cgroup/cpuset.cpus "
                      "/sys/fs/cgroup/cpuset.cpus.effective; sed -n s/^Cpus_allowed_list:.//p "
                      "/proc/self/status")
        self.assertEqual("1\n1\n0\n0\n0\n", done.out, done)

    @unittest.skipUnless({0, 1} <= os.sched_getaffinity(0), "needs CPUs 0 and 1")
    def test_cpuset_changes(self):
        """Members follow, as far as a choice of their own permits."""
        done = run_in("--cpuset", "0-1", "--", "sh", "-ec", """
            cd /sys/fs/cgroup
            mkdir a leaf
            echo 0 >leaf/cgroup.procs
            echo +cpuset >cgroup.subtree_control
            sleep 1000 & plain=$!
            taskset -c 1 sleep 1000 & chosen=$!
            while test "$(cat /proc/$chosen/comm)" != sleep; do :; done
            show() { sed -n s/^Cpus_allowed_list:.//p /proc/$plain/status /proc/$chosen/status; }
            echo $plain >a/cgroup.procs
            echo $chosen >a/cgroup.procs
            echo 0-1 >a/cpuset.cpus
            show
            echo 0 >a/cpuset.cpus
            show
            kill $plain $chosen
            """)
        self.assertEqual("0-1\n1\n0\n0\n", done.out, done)

    def test_own_tree(self):
        """What a service manager in a container does: delegate downwards."""
        done = run_in("--", "sh", "-ec", """
            cd /sys/fs/cgroup
            mkdir leaf other
            echo 0 >leaf/cgroup.procs
            echo '+memory +pids' >cgroup.subtree_control
            cat cgroup.subtree_control leaf/memory.max leaf/cgroup.type
            test "$(cat cgroup.procs)" = ""
            rmdir other
            ls -d */
            """)
        self.assertEqual((0, "memory pids\nmax\ndomain\ninit.scope/\nleaf/\n"),
                         (done.status, done.out), done)

    def test_refusals_explained(self):
        done = run_in("--", "sh", "-c", f"""
            cd /sys/fs/cgroup
            echo bad >memory.max
            echo +memory >cgroup.subtree_control
            mkdir d && rmdir d
            {CTLFS} errors
            """)
        self.assertEqual(0, done.status, done)
        lines = done.out.splitlines()
        self.assertEqual(2, len(lines), done)
        pattern = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \S*/%s: %s: .{5,}"
        self.assertRegex(lines[0], pattern % (r"memory\.max", "EINVAL"))
        self.assertRegex(lines[1], pattern % (r"cgroup\.subtree_control", "EBUSY"))
        self.assertIn("internal process", lines[1])

    def test_backend(self):
        """auto names its choice; what cannot be had is an error of our own."""
        done = run_ctlfs("run", "true")
        self.assertEqual(0, done.status, done)
        self.assertRegex(done.err, r"^ctlfs: .*(emulator|kernel)")
        done = run_ctlfs("run", "--backend", "emulator", "true")
        self.assertEqual((0, ""), (done.status, done.err))

    def test_wrong_arguments(self):
        """One line that names the argument, status 2."""
        rows = (
            (["run"], "argument"),
            (["run", "--memory", "abc", "true"], "abc"),
            (["run", "--memory", "-1", "true"], "-1"),
            (["run", "--memory=1.5.2G", "true"], "1.5.2G"),
            (["run", "--memory", "999999999999999999999", "true"], "999999999999999999999"),
            (["run", "--swap", "", "true"], "--swap"),
            (["run", "--cpus", "0", "true"], "--cpus"),
            (["run", "--cpus", "-1", "true"], "--cpus"),
            (["run", "--cpus", "two", "true"], "two"),
            (["run", "--cpuset", "1-0", "true"], "1-0"),
            (["run", "--cpuset", "a", "true"], "--cpuset"),
            (["run", "--pids", "0", "true"], "--pids"),
            (["run", "--pids", "1.5", "true"], "1.5"),
            (["run", "--set", "memory.max", "true"], "memory.max"),
            (["run", "--set", "../x=1", "true"], "../x=1"),
            (["run", "--backend", "docker", "true"], "docker"),
            (["run", "--bogus", "true"], "--bogus"),
            (["run", "--memory"], "--memory"),
            (["mount"], "argument"),
            (["mount", "a", "b"], "'b'"),
            (["mount", "-o", "bogus", "/"], "bogus"),
            (["mount", "-o", "spin=x", "/"], "spin"),
            (["mount", "--backend", "x", "/"], "'x'"),
            (["status", "--xml"], "--xml"),
            (["errors", "a", "b"], "'b'"),
            (["frobnicate"], "frobnicate"),
        )
        for args, word in rows:
            with self.subTest(args=args):
                done = run_ctlfs(*args)
                self.assertEqual((2, ""), (done.status, done.out), done)
                self.assertEqual(1, done.err.count("\n"), done)
                self.assertTrue(done.err.startswith("ctlfs: "), done)
                self.assertIn(word, done.err)
                self.assertIn("expected" if "is not" not in done.err else "is not", done.err)

    def test_what_cannot_be_set(self):
        """Is a failure of ours, which names the file and the reason; nothing is started."""
        for setting in ("memory.nothing=1", "memory.max=x", "cpu.max=1 1", "cgroup.events=1"):
            with self.subTest(setting=setting):
                done = run_in("--set", setting, "--", "echo", "started")
                self.assertEqual((125, ""), (done.status, done.out), done)
                self.assertIn(setting.partition("=")[0], done.err)

    def test_help(self):
        for args in (["help"], ["--help"], ["help", "run"], ["run", "--help"], ["mount", "--help"]):
            done = run_ctlfs(*args)
            self.assertEqual((0, ""), (done.status, done.err), done)
            self.assertIn("sage: ctlfs", done.out)
        self.assertIn("--memory", done.out if "run" in args else run_ctlfs("run", "--help").out)
        self.assertRegex(run_ctlfs("version").out, r"^ctlfs \d+\.\d+\.\d+\n$")


class Leftovers(Case):
    """No process, mount or directory stays."""

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, self.directory)

    def start(self, name):
        """A run with children of several kinds; who they are."""
        script = "sleep 1000 & (setsid sleep 1000 &) ; echo ready; exec sleep 1000"
        with extra_mark(name) as mark:
            return mark, Running("sh", "-c", script,
                                 env=environment(TMPDIR=self.directory,
                                                 XDG_RUNTIME_DIR=self.directory))

    def settled(self, mark):
        """The processes of a run once its command and the two children are what they will be."""
        pids = marked(mark)
        names = list(map(describe, pids))
        others = [name for name in names if f"({CTLFS} run " not in name]
        ready = len(others) == 3 and all(name.endswith("(sleep 1000)") for name in others)
        return ready and len(names) > 4 and (pids, names)

    def check_nothing_left(self, mark, killed):
        try:
            wait_for(lambda: not marked(mark), "the end of every process")
        except AssertionError:
            left = marked(mark)
            text = ", ".join(map(describe, left))
            kill_pids(left)
            self.fail(f"after {killed}: still there: {text}")
        self.assertEqual([], os.listdir(self.directory), killed)
        here = ("/proc", "/sys", self.directory)
        left = [p for p, kind in mounts() if kind == "fuse.ctlfs" and p.startswith(here)]
        self.assertEqual([], left, killed)

    def test_kill_any_one(self):
        """SIGKILL for each of its processes in turn: the supervisor, the daemon, the init of the
        container, the command, its children."""
        number, count = 0, 1
        while number < count:
            mark, run = self.start(f"one{number}")
            with run:
                pids, names = wait_for(lambda: self.settled(mark),
                                       "supervisor, daemon, init, command and two children")
                count = len(pids)
                victim = f"kill -9 {names[number]} of {names}"
                os.kill(pids[number], signal.SIGKILL)
                if names[number].endswith("(sleep 1000)"):
                    # A child or the command: if it was a child, the run goes on.
                    run.process.terminate()
                self.assertIn(run.status(), (-9, 125, 137, 143), victim + run.stderr())
                self.check_nothing_left(mark, victim)
            number += 1
        self.assertEqual(0, run_in("true").status)

    def test_kill_all(self):
        mark, run = self.start("all")
        with run:
            kill_pids(wait_for(lambda: marked(mark), "its processes"))
            self.assertEqual(-9, run.status())
            self.check_nothing_left(mark, "kill -9 of all")
        self.assertEqual(0, run_in("true").status)

    def test_normal_end(self):
        """Background children end with the command."""
        mark, run = self.start("end")
        with run:
            run.process.terminate()
            self.assertEqual(143, run.status(), run.stderr())
            self.check_nothing_left(mark, "SIGTERM")

    def test_many_at_once(self):
        with contextlib.ExitStack() as stack:
            runs = [self.start(f"many{n}") for n in range(4)]
            for _, run in runs:
                stack.enter_context(run)
            for mark, run in runs:
                run.process.terminate()
                self.assertEqual(143, run.status(), run.stderr())
                self.check_nothing_left(mark, "SIGTERM of several")


class OnTerminal(Case):
    """An interactive shell on a terminal."""
    options = ()

    def setUp(self):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execve(CTLFS, [CTLFS, "run", "--backend", "emulator", *self.options, "--",
                              tool("bash"), "--norc", "--noediting", "-i"],
                      environment(PS1="@ "))
        self.addCleanup(self.end)
        self.text = ""

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def expect(self, pattern):
        """Reads on until pattern is there; what came is taken off."""
        limit = time.monotonic() + DEADLINE
        while not (match := re.search(pattern, self.text)):
            if not select.select([self.fd], [], [], max(0, limit - time.monotonic()))[0]:
                self.fail(f"waited for {pattern}, got {self.text!r}")
            try:
                part = os.read(self.fd, 4096)
            except OSError:
                self.fail(f"the terminal was closed before {pattern}: {self.text!r}")
            self.text += part.decode()
        before, self.text = self.text[:match.end()], self.text[match.end():]
        return before

    def drain(self):
        """Takes what still comes, until nobody has the terminal open."""
        with contextlib.suppress(OSError):
            while select.select([self.fd], [], [], DEADLINE)[0] and os.read(self.fd, 4096):
                pass

    def send(self, text):
        os.write(self.fd, text.encode())

    def run_line(self, line):
        """Echoed by the terminal, then by cat, which therefore runs."""
        self.send(line + "\n")
        self.expect(rf"(?s){line}\r\n.*{line}\r\n")


class Terminal(OnTerminal):
    def test_shell(self):
        self.assertNotIn("job control", self.expect("@ "))
        self.send("echo $((6*7)); tty\n")
        self.expect(r"42\r\n/dev/pts/\d+\r\n")
        self.send("cat\n")
        self.run_line("first")
        self.send("\x03")  # interrupts cat, not the shell
        self.expect("@ ")
        self.send("echo status $?\n")
        self.expect(r"status 130\r\n")
        self.send("cat\n")
        self.run_line("second")
        self.send("\x1a")  # stops cat, not us
        self.expect(r"(?s)Stopped.*@ ")
        self.send("fg\n")
        self.run_line("third")
        self.send("\x04")
        self.expect("@ ")
        self.send("exit 5\n")
        self.drain()
        pid, self.pid = self.pid, 0
        end = wait_for(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG), "the end")
        self.assertEqual((os.CLD_EXITED, 5), (end.si_code, end.si_status))


class ThrottledTerminal(OnTerminal):
    options = ("--cpus", "0.2")

    def test_job(self):
        """A quota holds jobs as well, and the shell does not take them for suspended."""
        self.expect("@ ")
        self.send("stat() { read -d '' n < /sys/fs/cgroup/cpu.stat; "
                  "n=${n#*nr_throttled }; n=${n%%[^0-9]*}; }\n")
        self.expect("@ ")
        # Not the reads alone: who waits for those uses little.
        self.send("(stat; end=$((n+5)); while stat; [ $n -lt $end ]; do "
                  "for ((i = 0; i < 20000; i++)); do :; done; done)\n")
        self.assertNotIn("Stopped", self.expect(r"\n@ "))
        self.send("echo status $?\n")
        self.expect(r"status 0\r\n")
        self.send("exit\n")
        self.drain()
