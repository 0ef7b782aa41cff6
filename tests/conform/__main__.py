# SPDX-License-Identifier: LGPL-2.1-or-later
"""Differential conformance: the emulator beside the kernel that it emulates, or, with --against
backend, the kernel's own tree seen through a mount beside the same tree without.

  conform run [--against emulator|backend] [--kernel V] [--seeds N...] [--ops N] [--time S]
                                 makes scripts, has the VM run them
  conform inside ...             what the VM runs: both sides, comparison, shrinking
  conform replay                 the traces in traces/: on an emulator here, against what the
                                 kernel answered; in the VM on both
  conform record                 in the VM: writes the kernel's answers into traces/
"""
import argparse
import os
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

    def __init__(self, side, version):
        self.side, self.version = side, version
        self.explained = trees.Explained(side)
        self.seen = {}  # signature: how often
        self.operations = self.unexplained = 0
        with side(version) as mount:
            theirs, ours = trees.controllers(trees.REAL), trees.controllers(mount.tree)
        self.granted = [c for c in theirs if c in ours]
        print(f"controllers: {' '.join(self.granted)}; on one side only: "
              f"{' '.join(sorted(set(ours) ^ set(theirs))) or 'none'}", flush=True)

    def check_seed(self, seed):
        lines = (WORK / f"{seed}.script").read_text().splitlines()
        start, before = time.monotonic(), self.unexplained
        kernel = trees.answers(trees.REAL, lines, self.granted)
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
        shrinker = Shrinker((trees.REAL, mount.tree), self.granted, self.explained)
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
    comparison = Comparison(SIDES[args.against], None if args.kernel == "6.12" else args.kernel)
    start = time.monotonic()
    for seed in args.seeds:
        comparison.check_seed(seed)
    print(f"== {os.uname().release}: {len(args.seeds)} seeds, {comparison.operations} operations "
          f"on each side, {time.monotonic() - start:.0f} s")
    for reason, count in sorted(comparison.explained.counts.items()):
        print(f"explained {count:6} {reason}")
    for signature, count in sorted(comparison.seen.items()):
        print(f"UNEXPLAINED {count:4} {' '.join(filter(None, signature))}")
    print(f"{comparison.unexplained} unexplained differences of {len(comparison.seen)} kinds")
    return comparison.unexplained > 0


def main():
    parser = argparse.ArgumentParser(prog="conform", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "inside", "replay", "record"))
    parser.add_argument("--against", default="emulator", choices=SIDES)
    parser.add_argument("--kernel", default="6.12", choices=("6.1", "6.12"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 21)))
    parser.add_argument("--ops", type=int, default=10000)
    parser.add_argument("--time", type=int, default=5400)
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    return {"run": run, "inside": inside, "replay": traces.replay,
            "record": traces.record}[args.what](args)


if __name__ == "__main__":
    sys.exit(main())
