/*
 * For LD_PRELOAD: calls on data.mdb fail with EIO from the moment that the file $FAULT_TRIGGER exists. It holds which ones:
 * "meta" (the write of a meta page), "page" (of any other page) or "sync". With "slow" nothing fails: syncs, and writes of
 * meta pages, wait until the file is gone. Each failed call adds a line to $FAULT_LOG, so does each that waits ("slow"), and
 * each directory that was synced: its path.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t path_of(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, 4095);
  path[length < 0 ? 0 : length] = 0;
  return length;
}

static void add_line(const char *line) {
  int log = open(getenv("FAULT_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0600);
  dprintf(log, "%s\n", line);
  close(log);
}

static int fails(int fd, const char *call) {
  char path[4096], kind[16] = "";
  ssize_t length = path_of(fd, path);
  if (length < 8 || memcmp(path + length - 8, "data.mdb", 8) != 0) return 0;
  int trigger = open(getenv("FAULT_TRIGGER"), O_RDONLY);
  if (trigger < 0) return 0;
  ssize_t got = read(trigger, kind, sizeof kind - 1);
  close(trigger);
  if (got > 0 && strcmp(kind, "slow") == 0 && strcmp(call, "page") != 0) {
    add_line("slow");
    while (access(getenv("FAULT_TRIGGER"), F_OK) == 0) usleep(1000);
    return 0;
  }
  if (got <= 0 || strcmp(kind, call) != 0) return 0;
  add_line(call);
  errno = EIO;
  return 1;
}

static const char *written(size_t length, off_t at) { return at < 8192 && length < 4096 ? "meta" : "page"; }

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

#define PWRITE(name)                                                                       \
  ssize_t name(int fd, const void *bytes, size_t length, off_t at) {                       \
    if (fails(fd, written(length, at))) return -1;                                         \
    return REAL(ssize_t, #name, int, const void *, size_t, off_t)(fd, bytes, length, at);  \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name)                                                                      \
  ssize_t name(int fd, const struct iovec *parts, int count, off_t at) {                   \
    if (fails(fd, "page")) return -1;                                                      \
    return REAL(ssize_t, #name, int, const struct iovec *, int, off_t)(fd, parts, count, at); \
  }
PWRITEV(pwritev)
PWRITEV(pwritev64)

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (fails(fd, "page")) return -1;
  return REAL(ssize_t, "writev", int, const struct iovec *, int)(fd, parts, count);
}

#define SYNC(name)                                                                         \
  int name(int fd) {                                                                       \
    if (fails(fd, "sync")) return -1;                                                      \
    char path[4096];                                                                       \
    struct stat found;                                                                     \
    if (fstat(fd, &found) == 0 && S_ISDIR(found.st_mode) && path_of(fd, path) > 0) add_line(path); \
    return REAL(int, #name, int)(fd);                                                      \
  }
SYNC(fsync)
SYNC(fdatasync)
