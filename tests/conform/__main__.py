# SPDX-License-Identifier: LGPL-2.1-or-later
"""Differential conformance: the emulator beside the kernel that it emulates, or, with --against
backend, the kernel's own tree seen through a mount beside the same tree without.

  conform run [--against emulator|backend] [--kernel V] [--seeds N...] [--ops N] [--time S]
                                 makes scripts, has the VM run them
  conform native [--seeds N...] [--ops N]
                                 structure and members on this machine's own cgroup2, in a
                                 cgroup made for it
  conform inside ...             what the VM runs: both sides, comparison, shrinking
  conform replay                 the traces in traces/: on an emulator here, against what the
                                 kernel answered; in the VM on both
  conform record                 in the VM: writes the kernel's answers into traces/
"""
import argparse
import os
import re
import subprocess
import sys
import time

import generate
import traces
import trees
from shrink import Shrinker

WORK = trees.BUILD / "conform"
SIDES = {"emulator": trees.Emulator, "backend": trees.KernelBackend}


def run(args):
    """On this machine: the scripts, and the VM."""
    for seed in args.seeds:
        lines = generate.script(seed, args.ops)
        (WORK / f"{seed}.script").write_text("\n".join(lines) + "\n")
    command = [trees.REPO / "tests/vm/run-vm", "--kernel", args.kernel, "--timeout", str(args.time),
               "--share", WORK, "--", "python3", "-B", trees.HERE, "inside", "--against",
               args.against, "--kernel", args.kernel, "--seeds", *map(str, args.seeds)]
    return subprocess.run(command, check=False).returncode


class Comparison:
    """What has been compared so far, and found."""

    def __init__(self, side, version, real=trees.REAL):
        self.side, self.version, self.real = side, version, real
        self.explained = trees.Explained(side)
        self.seen = {}  # signature: how often
        self.operations = self.unexplained = 0
        with side(version) as mount:
            theirs, ours = trees.controllers(real), trees.controllers(mount.tree)
        self.granted = [c for c in theirs if c in ours]
        print(f"controllers: {' '.join(self.granted)}; on one side only: "
              f"{' '.join(sorted(set(ours) ^ set(theirs))) or 'none'}", flush=True)

    def check_seed(self, seed, lines):
        start, before = time.monotonic(), self.unexplained
        kernel = trees.answers(self.real, lines, self.granted)
        middle = time.monotonic()
        with self.side(self.version) as mount:
            answered = trees.answers(mount.tree, lines, self.granted)
            end = time.monotonic()
            print(f"seed {seed}: kernel {middle - start:.0f} s, ctlfs {end - middle:.0f} s, "
                  f"{sum(a != b for a, b in zip(kernel, answered, strict=True))} of {len(lines)} "
                  f"answers differ", flush=True)
            for first, last in trees.episodes(lines):
                part = slice(first, last)
                if kernel[part] != answered[part]:
                    self.judge(lines[part], kernel[part], answered[part], mount)
        self.operations += len(lines)
        print(f"seed {seed}: {self.unexplained - before} differences unexplained, judged in "
              f"{time.monotonic() - end:.0f} s", flush=True)

    def check(self, seeds, script):
        """All seeds, each with the lines of script(seed), and the totals. Whether differences were
        found."""
        start = time.monotonic()
        for seed in seeds:
            self.check_seed(seed, script(seed))
        print(f"== {os.uname().release}: {len(seeds)} seeds, {self.operations} operations "
              f"on each side, {time.monotonic() - start:.0f} s")
        for reason, count in sorted(self.explained.counts.items()):
            print(f"explained {count:6} {reason}")
        for signature, count in sorted(self.seen.items()):
            print(f"UNEXPLAINED {count:4} {' '.join(filter(None, signature))}")
        print(f"{self.unexplained} unexplained differences of {len(self.seen)} kinds")
        return self.unexplained > 0

    def judge(self, lines, kernel, answered, mount):
        """The differences of an episode. What comes after the first ones often follows from them,
        so only they are judged: the first of each kind is shrunk."""
        found = list(self.explained.unexplained(trees.compare(lines, kernel, answered)))
        for difference in found[:3]:
            signature = difference.signature()
            if signature not in self.seen:
                if not self.examine(difference, lines, mount):
                    print(f"timing: {difference}", flush=True)
                    continue
                self.seen[signature] = 0
            self.seen[signature] += 1
            self.unexplained += 1

    def examine(self, difference, lines, mount):
        """Keeps the shortest trace; false where the difference does not show again."""
        signature = difference.signature()
        shrinker = Shrinker((self.real, mount.tree), self.granted, self.explained)
        trace = shrinker.shrink(lines[1:difference.number + 1], signature)
        if not trace:
            return False
        (again, answers), = shrinker.replay([trace])
        again = [d for d in again if d.signature() == signature] or [difference]
        name = f"found-{len(self.seen) + 1:03}"
        traces.save(WORK / f"{name}.trace", str(again[0]), trace, answers)
        print(f"{name}: {again[0]}\n  trace: {'; '.join(trace)}", flush=True)
        return True


def speed_up():
    """Changes of the tree do not wait for grace periods: the same answers, 20 times sooner."""
    with open("/sys/kernel/rcu_expedited", "w", encoding="ascii") as file:
        file.write("1")
    subprocess.run(["mount", "-o", "remount,nsdelegate,memory_recursiveprot,favordynmods",
                    trees.REAL], check=False)
    # A cgroup that has everything stays: the kernel does not patch its own code whenever the first
    # comes and the last goes, which under qemu's emulation has ended in a panic.
    names = trees.controllers(trees.REAL)
    (trees.Path(trees.REAL) / "cgroup.subtree_control").write_text(
        " ".join("+" + name for name in names))
    keeper = trees.Path(trees.REAL) / "keeper"
    keeper.mkdir(exist_ok=True)
    (keeper / "cpu.max").write_text("50000")


def inside(args):
    if os.environ.get("CTLFS_IN_VM") != "1":
        raise SystemExit("conform: inside is for the VM")
    speed_up()
    comparison = Comparison(SIDES[args.against], emulated(os.uname().release))
    return comparison.check(args.seeds, lambda seed: (
        WORK / f"{seed}.script").read_text().splitlines())


def own_hierarchy():
    """The mounted cgroup2 of this machine, outside the VM."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        found = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    if not found:
        raise SystemExit("conform: no cgroup2 is mounted here")
    return trees.Path(found[0])


def emulated(release):
    """The version of the emulator that comes next to a kernel's release."""
    number = tuple(map(int, re.match(r"(\d+)\.(\d+)", release).groups()))
    return next(name for least, name in (((6, 18), "6.18"), ((6, 12), "6.12"), ((0, 0), "6.1"))
                if number >= least)


def native(args):
    """In a cgroup of our own below the machine's, which loses it again. Machine-wide settings and
    what is above stay as they are; only our own children are moved."""
    real = own_hierarchy() / f"ctlfs-conform.{os.getpid()}"
    version = emulated(os.uname().release)
    real.mkdir()
    try:
        comparison = Comparison(trees.Emulator, version, str(real))
        return comparison.check(args.seeds, lambda seed: generate.core_script(
            seed, args.ops, comparison.granted))
    finally:
        real.rmdir()


def main():
    parser = argparse.ArgumentParser(prog="conform", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "native", "inside", "replay", "record"))
    parser.add_argument("--against", default="emulator", choices=SIDES)
    parser.add_argument("--kernel", default="6.12", choices=("6.1", "6.12"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 21)))
    parser.add_argument("--ops", type=int, default=10000)
    parser.add_argument("--time", type=int, default=5400)
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    return {"run": run, "native": native, "inside": inside, "replay": traces.replay,
            "record": traces.record}[args.what](args)


if __name__ == "__main__":
    sys.exit(main())
