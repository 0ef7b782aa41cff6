/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's block devices. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/host.h"

#define BLOCK "/sys/block"

struct device {
	unsigned major, minor;
	bool mq, ssd;
};

struct devices {
	struct device *list;
	size_t n;
};

static int compare(const void *a, const void *b)
{
	const struct device *x = a, *y = b;

	if (x->major != y->major)
		return x->major < y->major ? -1 : 1;
	return x->minor < y->minor ? -1 : x->minor > y->minor;
}

/* False for one that is going away, or is none. */
static bool look_at(int block, const char *name, struct device *ret_device)
{
	cleanup_buf struct buf path = { 0 }, text = { 0 };

	buf_addf(&path, "%s/dev", name);
	if (*name == '.' || buf_readat(&text, block, buf_text(&path), 64) < 0 ||
	    sscanf(buf_text(&text), "%u:%u", &ret_device->major, &ret_device->minor) != 2)
		return false;
	buf_reset(&path);
	buf_addf(&path, "%s/mq", name);
	ret_device->mq = faccessat(block, buf_text(&path), F_OK, 0) == 0;
	buf_reset(&path);
	buf_reset(&text);
	buf_addf(&path, "%s/queue/rotational", name);
	ret_device->ssd = buf_readat(&text, block, buf_text(&path), 64) >= 0 &&
			  *buf_text(&text) == '0';
	return true;
}

static int collect(DIR *dir, struct devices *devices)
{
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		struct device device, *grown;

		if (!look_at(dirfd(dir), entry->d_name, &device))
			continue;
		grown = reallocarray(devices->list, devices->n + 1, sizeof *grown);
		if (!grown)
			return -ENOMEM;
		devices->list = grown;
		grown[devices->n++] = device;
	}
	return 0;
}

int host_devices(struct buf *out)
{
	cleanup_closedir DIR *dir = opendir(BLOCK);
	struct devices devices = { 0 };
	int r = dir ? collect(dir, &devices) : 0;

	if (devices.n)
		qsort(devices.list, devices.n, sizeof *devices.list, compare);
	for (size_t i = 0; r == 0 && i < devices.n; i++)
		buf_addf(out, "%u:%u%s ", devices.list[i].major, devices.list[i].minor,
			 !devices.list[i].mq ? "" : devices.list[i].ssd ? "/ssd" : "/mq");
	free(devices.list);
	return r == 0 ? buf_error(out) : r;
}
