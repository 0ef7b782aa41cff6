/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The version of ctlfs. */
#ifndef CTLFS_VERSION_H
#define CTLFS_VERSION_H

#define CTLFS_VERSION "0.1.0"

#endif
