# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples of docs/testing.md, as their readers would run them."""
import os
import subprocess
from pathlib import Path

from harness import CTLFS, Case, run_in

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PATH = f"{Path(CTLFS).resolve().parent}:{os.environ['PATH']}"


class Examples(Case):
    def in_container(self, name, passed):
        done = run_in("--", "env", f"PATH={PATH}", str(EXAMPLES / name))
        self.assertEqual((0, passed), (done.status, done.out.splitlines()[-1]), done)

    def test_runtime(self):
        self.in_container("runtime.sh", "the runtime passes")

    def test_oom_daemon(self):
        self.in_container("oom_daemon.py", "the OOM daemon passes")

    def test_autoscaler(self):
        done = subprocess.run([EXAMPLES / "autoscaler.py"], env=os.environ | {"PATH": PATH},
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual((0, "the autoscaler passes\n"), (done.returncode, done.stdout), done)
