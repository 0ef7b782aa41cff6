# SPDX-License-Identifier: LGPL-2.1-or-later
"""Delta debugging: the fewest operations of an episode that still show a difference."""
import trees

BATCH = 24  # shortened episodes in one run of the driver


class Shrinker:
    """Replays parts of an episode on both sides, in fresh trees."""

    def __init__(self, sides, granted, explained):
        self.sides, self.granted, self.explained = sides, granted, explained

    def replay(self, candidates):
        """For each list of lines: the differences, and the kernel's answers."""
        script = []
        for number, lines in enumerate(candidates):
            script += [f"episode r{number}", *lines]
        kernel, emulator = (trees.answers(side, script, self.granted, trees.SETTLE_US * 2)
                            for side in self.sides)
        return [(list(self.explained.unexplained(trees.compare(
            script[part], kernel[part], emulator[part]))), kernel[part][1:])
            for part in (slice(*ends) for ends in trees.episodes(script))]

    def showing(self, candidates, signature):
        """For each, the number of lines up to the difference, else 0."""
        ends = []
        for start in range(0, len(candidates), BATCH):
            for found, _ in self.replay(candidates[start:start + BATCH]):
                ends.append(next((d.number for d in found if d.signature() == signature), 0))
        return ends

    def without(self, lines, chunks, signature):
        """The lines without as many of the chunks as can go: all, or the first half, or so on."""
        while chunks:
            gone = {n for start, end in chunks for n in range(start, end)}
            tried = [line for n, line in enumerate(lines) if n not in gone]
            end, = self.showing([tried], signature)
            if end:
                return tried[:end]
            chunks = chunks[:len(chunks) // 2]
        return lines

    def shrink(self, lines, signature):
        """The shortest list found, or None where the difference does not show again."""
        end, = self.showing([lines], signature)
        if not end:
            return None
        lines = lines[:end]
        size = max(1, len(lines) // 2)
        while True:
            # The last line is the one that shows it.
            last = len(lines) - 1
            chunks = [(n, min(n + size, last)) for n in range(0, last, size)]
            ends = self.showing([lines[:a] + lines[b:] for a, b in chunks], signature)
            good = [chunk for chunk, end in zip(chunks, ends, strict=True) if end]
            shorter = self.without(lines, good, signature)
            if len(shorter) == len(lines) and size == 1:
                return lines
            if len(shorter) == len(lines) or size > len(shorter) // 2:
                size = max(1, size // 2)
            lines = shorter
