# SPDX-License-Identifier: LGPL-2.1-or-later
"""proc/stat of real containers under load: nothing in it falls or is absurd, whatever happens to
limits; it is the container's use and nobody else's."""
import os
import random
import time

import agents
from harness import keyed, read, write
from kernel_backend import CGROUPS, KernelCase

READS = int(os.environ.get("CTLFS_STAT_READS", "200"))
TICK = 1e6 / os.sysconf("SC_CLK_TCK")  # us
FIELDS = ("user", "nice", "system", "idle")
SPELL = 2.0  # s


def lines_of(text):
    """{"cpu0": [user, nice, system, idle]}, in ticks; the other six fields are 0."""
    found = {}
    for line in text.splitlines():
        if line.startswith("cpu"):
            name, *values = line.split()
            found[name] = list(map(int, values))
            assert len(values) == 10 and not any(found[name][4:]), line
    return found


def change(places):
    """One limit of one cgroup, at random."""
    path, texts = random.choice(places)
    write(path, random.choice(texts))


def busy(values):
    return sum(values[:3])


class Stat(KernelCase):
    granted = "+cpu +cpuset +memory +pids"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # So that the scheduler's code is patched once, as in RuntimeCase.
        os.makedirs(CGROUPS + "/limited", exist_ok=True)
        write(CGROUPS + "/limited/cpu.max", "100000 100000")

    def setUp(self):
        super().setUp()
        self.mkdir("x")
        self.path = self.view("x") + "/proc/stat"

    def use(self):
        """In ticks."""
        return keyed(read(self.real_at("x/cpu.stat")))["usage_usec"] / TICK

    def bounded(self):
        """stat, the container's use by the kernel just before and just after."""
        before = self.use()
        lines = lines_of(read(self.path))
        return before, lines, self.use()

    def check_no_fall(self, lines, most):
        for name, values in lines.items():
            seen = most.setdefault(name, values)
            for field, high, now in zip(FIELDS, seen, values):
                self.assertLessEqual(high, now, f"{field} of {name} falls")
            most[name] = values

    def check_sane(self, before, lines, after, passed):
        """What is in use is what the kernel says, less what fields of CPUs lose of a tick; in all
        it is no more than the CPUs had of time. passed: s."""
        cpus = os.cpu_count()
        self.assertLessEqual(busy(lines["cpu"]), after)
        self.assertGreaterEqual(busy(lines["cpu"]), before - 3 * cpus)
        # The clock of use is not that of the time that passes.
        self.assertLessEqual(sum(lines["cpu"]), (passed * 1.1 + 1) * cpus * 1e6 / TICK)
        for column in range(4):
            shown = sum(values[column] for name, values in lines.items() if name != "cpu")
            self.assertLessEqual(shown, lines["cpu"][column])

    def test_never_falls(self):
        random.seed(1)
        began, most, idle, counts = time.monotonic(), {}, 0, set()
        members = [self.agent("x") for _ in range(3)]
        for member in members:
            member.start(agents.burn, 1e9)
        quotas = ["max", "1000 100000", "50000 100000", "150000 100000", "20000 10000"]
        sets = ["0", "0-1", "1"]
        places = [(self.real_at("cpu.max"), quotas), (self.real_at("x/cpu.max"), quotas),
                  (self.real_at("cpuset.cpus"), sets), (self.real_at("x/cpuset.cpus"), sets)]
        self.agent().call(agents.keep_doing, change, places)
        for turn in range(READS):
            if turn % 4 == 0:
                change(places)
            before, lines, after = self.bounded()
            self.check_no_fall(lines, most)
            self.check_sane(before, lines, after, time.monotonic() - began)
            now = float(read(self.view("x") + "/proc/uptime").split()[1])
            self.assertLessEqual(idle, now, "idle of uptime falls")
            idle = now
            counts.add(len(lines) - 1)
        self.assertEqual({1, 2}, counts, "the CPUs did not change")
        self.assertGreater(busy(most["cpu"]), 0)

    def spell(self):
        """How much stat's use rises in a spell, and the least and most that the kernel says."""
        low, first, high = self.bounded()
        time.sleep(SPELL)
        low_then, then, high_then = self.bounded()
        return busy(then["cpu"]) - busy(first["cpu"]), low_then - high, high_then - low

    def test_neighbour(self):
        """What others use is not the container's."""
        self.mkdir("y")
        self.agent("x")
        for _ in range(os.cpu_count()):
            self.agent("y").start(agents.burn, 1e9)
        rise, _, _ = self.spell()
        self.assertLessEqual(rise, 5)
        self.assertGreater(keyed(read(self.real_at("y/cpu.stat")))["usage_usec"], SPELL * 5e5)

    def test_spinner(self):
        """What the container uses is all there, within a twentieth."""
        self.agent("x").start(agents.burn, 1e9)
        time.sleep(0.5)
        rise, least, most = self.spell()
        self.assertGreater(least, SPELL * 0.3 * 1e6 / TICK)
        self.assertGreaterEqual(rise, least * 0.95)
        self.assertLessEqual(rise, most * 1.05)
