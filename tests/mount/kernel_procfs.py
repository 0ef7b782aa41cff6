# SPDX-License-Identifier: LGPL-2.1-or-later
"""Views of real containers, read as procfs is."""
from kernel_backend import KernelCase
from procfs import LikeProcfs


class Kernel(LikeProcfs, KernelCase):
    pass
