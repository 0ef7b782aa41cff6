/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the operations on paths and those on kept descriptors have of each other. */
#ifndef CONFORM_OPS_H
#define CONFORM_OPS_H

#include <dirent.h>
#include <sys/stat.h>

#include "conform.h"

const char *last_part(const char *path);
int by_name(const struct dirent **a, const struct dirent **b);
void say_stat(struct driver *driver, const struct stat *attr);
/* One write of what a word stands for, and until all is quiet again. */
void write_fd(struct driver *driver, int fd, const char *path, const char *word);
/* The whole text from the descriptor's offset on. */
void read_fd(struct driver *driver, int fd, const char *path);

void op_open(struct driver *driver, char **words);
void op_close(struct driver *driver, char **words);
void op_fwrite(struct driver *driver, char **words);
void op_fread(struct driver *driver, char **words);
void op_freadall(struct driver *driver, char **words);
void op_fseek(struct driver *driver, char **words);
void op_fpoll(struct driver *driver, char **words);
void op_fstat(struct driver *driver, char **words);
void op_openat(struct driver *driver, char **words);
void op_mkdirat(struct driver *driver, char **words);
void op_fls(struct driver *driver, char **words);

#endif
