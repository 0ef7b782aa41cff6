# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel's own tests of cgroups, on the kernel in the VM and on the emulator here: a table.

What the kernel gave is kept in the cache of kernels, by its release and the tests' version; --again
asks it anew. --tests names programs. Exit status 1 if one of the programs REQUIRED fails a test on
the emulator that passes on the kernel, but for what the file `explained` beside this one names.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
BUILD = REPO / os.environ.get("CTLFS_BUILD", "build")
PROGRAMS = ("test_core", "test_kill", "test_pids", "test_freezer", "test_cpu", "test_cpuset",
            "test_memcontrol")
REQUIRED = ("test_core", "test_kill", "test_pids", "test_freezer")
LIMIT = 300  # seconds for one program
SHIM = BUILD / "kselftest" / "shim.so"
# On this machine a test must not find a cgroup2 that is not the emulator's, whatever goes wrong
# with the shim: in a mount namespace of its own there is none.
ALONE = """
awk '$3 == "cgroup2" { print $2 }' /proc/self/mounts | while read -r point; do
	umount -l "$point" || exit 125
done || exit 125
exec env LD_PRELOAD="$CTLFS_SHIM" stdbuf -oL "$0"
"""
RESULT = re.compile(r"^(not )?ok \d+ (# SKIP )?(\S+)", re.MULTILINE)


def parse(text):
    """{test: pass, fail or skip} of a program's output."""
    return {m[3]: "fail" if m[1] else "skip" if m[2] else "pass" for m in RESULT.finditer(text)}


def kill_session(process):
    """A test that fails may leave processes behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_program(command, limit, env=None):
    with tempfile.TemporaryFile(mode="w+") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   env=env, start_new_session=True, cwd="/tmp")
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = "timed out"
        kill_session(process)
        process.wait()
        out.seek(0)
        text = out.read()
    results = parse(text)
    if status == "timed out":
        results["(the rest)"] = "timed out"
    elif not results:
        results["(all)"] = text.strip().split("\n")[-1][:60] or f"status {status}"
    elif isinstance(status, int) and status < 0:
        results["(the rest)"] = signal.Signals(-status).name
    return results


# pids.max refuses forks of what `ctlfs run` has started only.
CONTAINER = """
tree=/sys/fs/cgroup
mkdir $tree/rest && for pid in $(cat $tree/cgroup.procs); do
	echo $pid >$tree/rest/cgroup.procs || : "cat has ended"
done 2>/dev/null && echo +pids >$tree/cgroup.subtree_control || exit 125
exec env CTLFS_TREE=$tree CTLFS_REST=$tree/rest/cgroup.procs LD_PRELOAD="$CTLFS_SHIM" \\
	stdbuf -oL "$0"
"""


class Emulator:
    """A mount for one program."""

    def __enter__(self):
        self.point = tempfile.mkdtemp(prefix="kselftest.")
        os.chmod(self.point, 0o755)
        self.process = subprocess.Popen([BUILD / "ctlfs", "mount", "-f", "--backend", "emulator",
                                         "-o", "allow_other", self.point])
        self.tree = os.path.join(self.point, "cgroup")
        for _ in range(1000):
            if os.path.isdir(self.tree):
                return self
            time.sleep(0.01)
        raise SystemExit("kselftest: the emulator does not start")

    def __exit__(self, *_):
        for entry in os.scandir(self.tree):
            if entry.is_dir():
                Path(entry.path, "cgroup.freeze").write_text("0")
                Path(entry.path, "cgroup.kill").write_text("1")
        self.process.terminate()
        self.process.wait(30)
        os.rmdir(self.point)


def on_emulator(directory, programs):
    if not SHIM.exists() or os.geteuid() != 0:
        raise SystemExit(f"kselftest: needs root and {SHIM} (make kselftest)")
    results = {}
    for name in programs:
        if name == "test_pids":
            results[name] = run_program(
                [BUILD / "ctlfs", "run", "--backend", "emulator", "--pids", "1000", "--", "sh",
                 "-c", CONTAINER, directory / name], LIMIT, {**os.environ, "CTLFS_SHIM": str(SHIM)})
            continue
        with Emulator() as emulator:
            env = {**os.environ, "CTLFS_TREE": emulator.tree, "CTLFS_SHIM": str(SHIM)}
            results[name] = run_program(
                ["unshare", "-m", "--propagation", "private", "sh", "-c", ALONE, directory / name],
                LIMIT, env)
    return results


def inside(directory, programs):
    """In the VM: on its own cgroup2."""
    if os.environ.get("CTLFS_IN_VM") != "1":
        raise SystemExit("kselftest: --inside is for the VM")
    subprocess.run(["mount", "-o", "remount,nsdelegate,memory_recursiveprot", "/sys/fs/cgroup"],
                   check=True)
    results = {name: run_program(["stdbuf", "-oL", directory / name], LIMIT * 4)
               for name in programs}
    print("RESULTS " + json.dumps(results))
    return 0


def on_kernel(directory, programs, again):
    """{program: results}, and where they come from."""
    kernel = subprocess.run([REPO / "tests/vm/fetch-kernel", "6.12"], stdout=subprocess.PIPE,
                            text=True, check=True).stdout.strip()
    release = Path(kernel, "release").read_text().strip()
    version = (directory / "version").read_text().strip()
    kept = directory.parent / f"kselftest-{release}-{version}.json"
    results = json.loads(kept.read_text()) if kept.exists() and not again else {}
    missing = [name for name in programs if name not in results]
    if not missing:
        return results, f"{release}, kept from an earlier run in {kept}"
    done = subprocess.run(
        [REPO / "tests/vm/run-vm", "--kernel", "6.12", "--timeout", "3000", "--", "python3", "-B",
         HERE, "--inside", "--directory", directory, "--tests", *missing],
        stdout=subprocess.PIPE, text=True, check=False)
    found = re.search(r"^RESULTS (.*)$", done.stdout, re.MULTILINE)
    if not found:
        raise SystemExit(f"kselftest: nothing from the VM (status {done.returncode}):\n"
                         f"{done.stdout[-2000:]}")
    results.update(json.loads(found[1]))
    kept.write_text(json.dumps(results, indent=1))
    return results, f"{release}, run now"


def load_explained():
    """{(program, test): reason}"""
    explained = {}
    for line in (HERE / "explained").read_text().splitlines():
        if line and not line.startswith("#"):
            program, test, reason = re.split(r"\t+", line)
            explained[program, test] = reason
    return explained


def show(kernel, emulator, programs):
    """The table. The number of required tests that fail without a reason."""
    explained, failed = load_explained(), 0
    print(f"{'program':16} {'test':48} {'kernel':10} emulator")
    for program in programs:
        ours, theirs = kernel.get(program, {}), emulator[program]
        for test in dict.fromkeys((*ours, *theirs)):
            one, two = ours.get(test, "-"), theirs.get(test, "-")
            note = ""
            if one == "pass" and two != "pass":
                note = explained.get((program, test), "")
                if not note and program in REQUIRED:
                    note = "UNEXPLAINED"
                    failed += 1
            print(f"{program:16} {test:48} {one:10} {two:10} {note}".rstrip())
    for program in programs:
        passed = [t for t, result in kernel.get(program, {}).items() if result == "pass"]
        held = sum(emulator[program].get(t) == "pass" for t in passed)
        print(f"{program}: {held} of the {len(passed)} that pass on the kernel")
    return failed


def main():
    parser = argparse.ArgumentParser(prog="kselftest", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inside", action="store_true", help="in the VM: run them, print JSON")
    parser.add_argument("--again", action="store_true", help="do not use the kernel's kept results")
    parser.add_argument("--directory", type=Path, help="where the tests are")
    parser.add_argument("--tests", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    args = parser.parse_args()
    directory = args.directory or Path(subprocess.run(
        [HERE / "fetch-selftests"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
    if args.inside:
        return inside(directory, args.tests)
    emulator = on_emulator(directory, args.tests)
    kernel, source = on_kernel(directory, args.tests, args.again)
    print(f"kernel: {source}")
    return show(kernel, emulator, args.tests) > 0


if __name__ == "__main__":
    sys.exit(main())
