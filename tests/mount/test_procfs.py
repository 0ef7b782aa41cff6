# SPDX-License-Identifier: LGPL-2.1-or-later
"""Views of the emulator's containers, read as procfs is."""
from harness import MountCase
from procfs import LikeProcfs


class Emulated(LikeProcfs, MountCase):
    granted = "+cpu +memory"
