# SPDX-License-Identifier: LGPL-2.1-or-later
"""Traces kept as regression tests: operations, each followed by "= " and the kernel's answer."""
import contextlib
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


def check(path, tree, name, explained):
    """What is not as the file says. explained: the differences that may be, or None."""
    lines, wanted = load(path)
    episode = "episode " + path.stem.replace(" ", "-")
    got = trees.answers(tree, [episode, *lines], trees.controllers(tree),
                        trees.SETTLE_US * 4)[1:]
    differences = trees.compare(lines, wanted, got)
    if explained:
        differences = explained.unexplained(differences)
    return [f"{d.line}: kernel {d.kernel}, {name} {d.emulator}" for d in differences]


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
    """Every trace, on the emulator, and where this is the VM on the kernel itself and through its
    backend as well."""
    paths = sorted((trees.HERE / "traces").glob("*.trace"))
    failed = 0
    with contextlib.ExitStack() as mounts:
        sides = [(mounts.enter_context(trees.Emulator()).tree, "emulator", trees.Explained())]
        if os.environ.get("CTLFS_IN_VM") and os.uname().release.startswith("6.12."):
            backend = mounts.enter_context(trees.KernelBackend())
            sides += [(trees.REAL, "this kernel", None),
                      (backend.tree, "kernel backend", trees.Explained(trees.KernelBackend))]
        for path in paths:
            for side in sides:
                wrong = check(path, *side)
                if wrong:
                    failed += 1
                    print(f"failed {path.stem} ({side[1]}): {wrong[0]}")
    total = len(paths) * len(sides)
    print(f"{total - failed} passed, {failed} failed, 0 skipped")
    return failed > 0
