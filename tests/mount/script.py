# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables of steps on a tree, one on a line: what is done, and what must come of it.

    write PATH TEXT       RESULT    one write; RESULT is OK or an errno
    read  PATH            TEXT      the whole file, or an errno
    mkdir PATH            RESULT
    rmdir PATH            RESULT
    move  WHO PATH        RESULT    a process into a cgroup, by cgroup.procs
    thread WHO PATH       RESULT    its second thread, by cgroup.threads
    wait  PATH            TEXT      until the file reads so
    types PATH=TYPE ...             of several cgroups, "-" for the space in a type
    killed WHO                      it dies of SIGKILL

Paths are below the test's own cgroup; "/..." begins at the tree's root. WHO is any word, a process
that is made when it is first named. Words are quoted as in a shell, with the escapes of Python.
"""
import os
import shlex
import signal

from agents import Agent, start_thread
from harness import MountCase, outcome, read, wait_for, write


class ScriptCase(MountCase):
    controllers = "+memory +pids"

    def setUp(self):
        super().setUp()
        self.agents = {}
        self.threads = {}

    def who(self, name):
        if name not in self.agents:
            self.agents[name] = Agent()
            self.addCleanup(self.agents[name].end)
            self.threads[name] = self.agents[name].call(start_thread)
        return self.agents[name]

    def place(self, path, *rest):
        if path.startswith("/"):
            return self.mount.cgroup(path[1:], *rest)
        return self.at(path, *rest)

    def do_write(self, path, text):
        return outcome(write, self.place(path), text)

    def do_read(self, path):
        text = []
        return outcome(lambda: text.append(read(self.place(path)))), "".join(text)

    def do_mkdir(self, path):
        return outcome(os.mkdir, self.place(path))

    def do_rmdir(self, path):
        return outcome(os.rmdir, self.place(path))

    def do_move(self, name, path):
        return outcome(write, self.place(path, "cgroup.procs"), str(self.who(name).pid))

    def do_thread(self, name, path):
        self.who(name)
        return outcome(write, self.place(path, "cgroup.threads"), str(self.threads[name]))

    def do_types(self, *pairs):
        got = []
        for pair in pairs:
            path = pair.partition("=")[0]
            got.append(path + "=" + read(self.place(path, "cgroup.type")).strip().replace(" ", "-"))
        self.assertEqual(list(pairs), got)

    def do_killed(self, name):
        wait_for(self.agents[name].ended, f"the death of {name}")
        self.assertEqual(-signal.SIGKILL, self.agents[name].wait())

    def do_wait(self, path, want):
        self.wait_text(path, want)

    def step(self, line):
        words = [w.encode().decode("unicode_escape") for w in shlex.split(line)]
        function = getattr(self, "do_" + words[0])
        if words[0] in ("types", "killed", "wait"):
            function(*words[1:])
            return
        got = function(*words[1:-1])
        if isinstance(got, tuple):
            got = got[1] if got[0] == "OK" else got[0]
        self.assertEqual(words[-1], got)

    def run_steps(self, text):
        """Stops at the first step that fails, since the rest builds upon it."""
        done = []
        for line in filter(None, map(str.strip, text.splitlines())):
            try:
                self.step(line)
            except Exception as error:
                before = "\n    ".join(done[-6:])
                raise AssertionError(f"step: {line}\nafter\n    {before}\n{error}") from error
            done.append(line)
