# SPDX-License-Identifier: LGPL-2.1-or-later
"""Differential conformance: the emulator beside the kernel that it emulates.

  conform run [--kernel V] [--seeds N...] [--ops N] [--time S]   makes scripts, has the VM run them
  conform inside ...             what the VM runs: both sides, comparison, shrinking
  conform replay                 the traces in traces/: on an emulator here, against what the
                                 kernel answered; in the VM on both
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


def run(args):
    """On this machine: the scripts, and the VM."""
    for seed in args.seeds:
        lines = generate.script(seed, args.ops)
        (WORK / f"{seed}.script").write_text("\n".join(lines) + "\n")
    command = [trees.REPO / "tests/vm/run-vm", "--kernel", args.kernel, "--timeout", str(args.time),
               "--share", WORK, "--", "python3", "-B", trees.HERE, "inside", "--kernel",
               args.kernel, "--seeds", *map(str, args.seeds)]
    return subprocess.run(command, check=False).returncode


def check_seed(seed, version, explained, seen):
    """Both sides run the seed's script. seen: {signature: shortest trace}. (operations, count of
    unexplained differences)"""
    lines = (WORK / f"{seed}.script").read_text().splitlines()
    start = time.monotonic()
    kernel = trees.answers(trees.REAL, lines)
    middle = time.monotonic()
    with trees.Emulator(version) as emulator:
        answered = trees.answers(emulator.tree, lines)
        end = time.monotonic()
        unexplained = 0
        for first, last in trees.episodes(lines):
            part = slice(first, last)
            if kernel[part] == answered[part]:
                continue
            found = list(explained.unexplained(
                trees.compare(lines[part], kernel[part], answered[part])))
            unexplained += judge(found, lines[part], emulator, explained, seen)
    print(f"seed {seed}: {len(lines)} operations, kernel {middle - start:.0f} s, "
          f"emulator {end - middle:.0f} s, {unexplained} differences unexplained", flush=True)
    return len(lines), unexplained


def judge(found, lines, emulator, explained, seen):
    """The number of an episode's differences that are real; the first of each kind is shrunk. What
    comes after a first difference often follows from it, and so is looked at only if new."""
    count = 0
    for difference in found[:3]:
        signature = difference.signature()
        if signature in seen:
            seen[signature][0] += 1
            count += 1
            continue
        shrinker = Shrinker(trees.REAL, emulator.tree, explained)
        trace = shrinker.shrink(lines[1:difference.number + 1], signature)
        if not trace:
            print(f"timing: {difference}", flush=True)
            continue
        again, answers = shrinker.differences(trace)
        again = [d for d in again if d.signature() == signature] or [difference]
        seen[signature] = [1, trace]
        count += 1
        name = f"found-{len(seen):03}"
        traces.save(WORK / f"{name}.trace", str(again[0]), trace, answers[1:])
        print(f"{name}: {again[0]}\n  trace: {'; '.join(trace)}", flush=True)
    return count


def speed_up():
    """Changes of the tree do not wait for grace periods: the same answers, 20 times sooner."""
    with open("/sys/kernel/rcu_expedited", "w", encoding="ascii") as file:
        file.write("1")
    subprocess.run(["mount", "-o", "remount,nsdelegate,memory_recursiveprot,favordynmods",
                    trees.REAL], check=False)


def inside(args):
    speed_up()
    explained = trees.Explained()
    seen, operations, unexplained = {}, 0, 0
    version = None if args.kernel == "6.12" else args.kernel
    start = time.monotonic()
    for seed in args.seeds:
        more, found = check_seed(seed, version, explained, seen)
        operations += more
        unexplained += found
    print(f"== {os.uname().release}: {len(args.seeds)} seeds, {operations} operations on each "
          f"side, {time.monotonic() - start:.0f} s")
    for reason, count in sorted(explained.counts.items()):
        print(f"explained {count:6} {reason}")
    for signature, (count, _) in sorted(seen.items()):
        print(f"UNEXPLAINED {count:4} {' '.join(filter(None, signature))}")
    print(f"{unexplained} unexplained differences of {len(seen)} kinds")
    return unexplained > 0


def main():
    parser = argparse.ArgumentParser(prog="conform", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "inside", "replay"))
    parser.add_argument("--kernel", default="6.12", choices=("6.1", "6.12"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 21)))
    parser.add_argument("--ops", type=int, default=10000)
    parser.add_argument("--time", type=int, default=5400)
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    return {"run": run, "inside": inside, "replay": traces.replay}[args.what](args)


if __name__ == "__main__":
    sys.exit(main())
