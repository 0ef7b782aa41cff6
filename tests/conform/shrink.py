# SPDX-License-Identifier: LGPL-2.1-or-later
"""Delta debugging: the fewest operations of an episode that still show a difference."""
import trees


class Shrinker:
    """Replays parts of an episode on both sides, in fresh trees."""

    def __init__(self, sides, granted, explained, budget=120):
        self.sides, self.granted, self.explained = sides, granted, explained
        self.budget = budget
        self.serial = 0

    def differences(self, lines, settle=trees.SETTLE_US * 4):
        self.serial += 1
        script = [f"episode r{self.serial}", *lines]
        kernel, emulator = (trees.answers(side, script, self.granted, settle)
                            for side in self.sides)
        return list(self.explained.unexplained(trees.compare(script, kernel, emulator))), kernel

    def shows(self, lines, signature):
        """The first line at which the difference shows, counted from 1, else 0."""
        found, _ = self.differences(lines)
        for difference in found:
            if difference.signature() == signature:
                return difference.number
        return 0

    def shrink(self, lines, signature):
        """The shortest list found, or None where the difference does not show again."""
        end = self.shows(lines, signature)
        if not end:
            return None
        lines = lines[:end]
        left = self.budget
        size = max(1, len(lines) // 2)
        while left > 0:
            start, removed = 0, False
            while start < len(lines) - 1 and left > 0:
                # The last line is the one that shows it.
                tried = lines[:start] + lines[min(start + size, len(lines) - 1):]
                left -= 1
                end = self.shows(tried, signature)
                if end:
                    lines = tried[:end]
                    removed = True
                else:
                    start += size
            if size == 1 and not removed:
                break
            size = max(1, size // 2)
        return lines
