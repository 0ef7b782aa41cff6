# SPDX-License-Identifier: LGPL-2.1-or-later
"""Traces kept as regression tests: operations, each followed by "= " and the kernel's answer."""
import os

import trees


def save(path, title, lines, answers):
    text = "".join(f"# {line.strip()}\n" for line in title.splitlines())
    for line, answer in zip(lines, answers, strict=True):
        text += f"{line}\n= {answer}\n"
    path.write_text(text)


def load(path):
    """(operations, answers)"""
    lines, answers = [], []
    for line in path.read_text().splitlines():
        if line.startswith("= "):
            answers.append(line[2:])
        elif line and not line.startswith("#"):
            lines.append(line)
    if len(lines) != len(answers) or not lines:
        raise SystemExit(f"{path}: {len(lines)} operations, {len(answers)} answers")
    return lines, answers


def check(path, tree, side, explained):
    """What is not as the file says."""
    lines, wanted = load(path)
    name = path.stem.replace(" ", "-")
    got = trees.answers(tree, [f"episode {name}", *lines], trees.controllers(tree),
                        trees.SETTLE_US * 4)[1:]
    differences = trees.compare(lines, wanted, got)
    if side == "emulator":
        differences = explained.unexplained(differences)
    return [f"{d.line}: kernel {d.kernel}, {side} {d.emulator}" for d in differences]


def record(_):
    """In the VM: writes the kernel's answers into the traces."""
    if os.environ.get("CTLFS_IN_VM") != "1":
        raise SystemExit("conform: record is for the VM (run-vm --share tests/conform/traces)")
    for path in sorted((trees.HERE / "traces").glob("*.trace")):
        text = path.read_text().splitlines()
        lines = [line for line in text if line and line[0] not in "#="]
        answers = trees.answers(trees.REAL, ["episode " + path.stem, *lines],
                                trees.controllers(trees.REAL), trees.SETTLE_US * 4)[1:]
        title = "\n".join(line[2:] for line in text if line.startswith("# "))
        save(path, title, lines, answers)
    return 0


def replay(_):
    """Every trace, on the emulator, and on the kernel as well where this is the VM."""
    explained = trees.Explained()
    paths = sorted((trees.HERE / "traces").glob("*.trace"))
    failed = 0
    with trees.Emulator() as emulator:
        sides = [(emulator.tree, "emulator")]
        if os.environ.get("CTLFS_IN_VM") and os.uname().release.startswith("6.12."):
            sides.append((trees.REAL, "this kernel"))
        for path in paths:
            for tree, side in sides:
                wrong = check(path, tree, side, explained)
                if wrong:
                    failed += 1
                    print(f"failed {path.stem} ({side}): {wrong[0]}")
    total = len(paths) * len(sides)
    print(f"{total - failed} passed, {failed} failed, 0 skipped")
    return failed > 0
