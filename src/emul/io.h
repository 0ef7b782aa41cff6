/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the io controller share: cgroups' state of a device. */
#ifndef EMUL_IO_H
#define EMUL_IO_H

#include "emul.h"

struct io_cost;

/* A cgroup's state of one device: made when it is set something for it or uses it. */
struct io_group {
	size_t device; /* index in the machine's */
	uint64_t bps[2]; /* read and write; UINT64_MAX: no limit */
	uint32_t iops[2]; /* UINT32_MAX: no limit */
	unsigned weight; /* of io.weight; 0: the default */
	struct io_stats stats;
	struct io_cost *cost; /* the root's: io.cost.* was set for the device */
	struct io_group *next;
};

/* io.c: takes "MAJ:MIN " from *text. -EINVAL, -ENODEV with the reason noted. */
int io_device(const struct emul *e, const char **text, size_t *ret_device);
struct io_group *io_group(const struct cgroup *cg, size_t device); /* NULL: none */
/* Makes it in cg and above, as the kernel does. NULL without memory. */
struct io_group *io_group_make(struct cgroup *cg, size_t device);
struct io_group *io_groups(const struct cgroup *cg); /* the first: that made last */

/* io_cost.c */
bool io_cost_enabled(const struct emul *e, size_t device);
int io_qos_show(struct emul_open *f, const struct caller *reader, struct buf *out);
int io_qos_write(struct emul_open *f, const struct caller *writer, char *text);
int io_model_show(struct emul_open *f, const struct caller *reader, struct buf *out);
int io_model_write(struct emul_open *f, const struct caller *writer, char *text);

#endif
