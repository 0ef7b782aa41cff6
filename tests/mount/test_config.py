# SPDX-License-Identifier: LGPL-2.1-or-later
"""ctlfs check-config, and what a mount says to --config."""
import os
import tempfile

from harness import Case, root_only, run_ctlfs


class CheckConfig(Case):
    def file(self, text):
        config = tempfile.NamedTemporaryFile("w", prefix="conf.")
        self.addCleanup(config.close)
        config.write(text)
        config.flush()
        return config.name

    def test_status(self):
        good = self.file("[/lxc.payload.*]\nmemory.max <= 2G\n* = readonly\n")
        bad = self.file("[/a]\nmemory.max <= 2G\nmemory.max = no\nx\n")
        for want, args in ((0, [good]), (1, [bad]), (1, [good, bad, good]), (1, ["/nowhere"]),
                           (1, [os.path.dirname(good)]), (2, ["--wrong"])):
            with self.subTest(args=args):
                self.assertEqual(want, run_ctlfs("check-config", *args).status)
        done = run_ctlfs("check-config", good, bad)
        self.assertEqual(f"{good}: 2 rules\n", done.out)
        self.assertEqual([f"{bad}:3", f"{bad}:4"],
                         [line.split(" ")[2][:-1] for line in done.err.splitlines()])

    @root_only
    def test_not_to_be_read(self):
        """A file that cannot be read to its end is not one without more rules."""
        done = run_ctlfs("check-config", "/proc/self/mem")
        self.assertEqual((1, "", "ctlfs: check-config: /proc/self/mem: Input/output error\n"),
                         (done.status, done.out, done.err), done)

    def test_not_for_the_emulator(self):
        with tempfile.TemporaryDirectory() as point:
            done = run_ctlfs("mount", "--backend", "emulator", "--config", self.file(""), point)
        self.assertEqual(2, done.status, done)
        self.assertIn("--config", done.err)
