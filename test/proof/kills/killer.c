/*
 * For LD_PRELOAD: ends the process as SIGKILL does, at the $KILL_COUNT-th time that it comes to $KILL_POINT since the file
 * $KILL_ARMED exists:
 *   before-sync, after-sync    a sync of data.mdb: the pages of a transaction
 *   before-meta, after-meta    a synchronous write to data.mdb: the page that makes a transaction durable
 *   before-send, after-send    a write to a socket: a request to Redis, an answer, one message of a fan-out
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int left = -1;
static int armed = 0;

static void at(const char *point) {
  const char *wanted = getenv("KILL_POINT");
  if (!wanted || strcmp(wanted, point) != 0) return;
  if (!armed) {
    if (access(getenv("KILL_ARMED"), F_OK) != 0) return;
    int none = -1;
    __atomic_compare_exchange_n(&left, &none, atoi(getenv("KILL_COUNT")), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    armed = 1;
  }
  if (__atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST) == 0) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
}

static int is_data(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path);
  return length >= 9 && memcmp(path + length - 9, "/data.mdb", 9) == 0;
}

static int is_socket(int fd) {
  struct stat found;
  return fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode);
}

static int is_meta(int fd) { return (fcntl(fd, F_GETFL) & O_DSYNC) != 0 && is_data(fd); }

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

#define SYNC(name)                               \
  int name(int fd) {                             \
    int counts = is_data(fd);                    \
    if (counts) at("before-sync");               \
    int result = REAL(int, #name, int)(fd);      \
    if (counts) at("after-sync");                \
    return result;                               \
  }
SYNC(fsync)
SYNC(fdatasync)

#define PWRITE(name)                                                                                \
  ssize_t name(int fd, const void *bytes, size_t length, off_t where) {                             \
    int counts = is_meta(fd);                                                                       \
    if (counts) at("before-meta");                                                                  \
    ssize_t result = REAL(ssize_t, #name, int, const void *, size_t, off_t)(fd, bytes, length, where); \
    if (counts) at("after-meta");                                                                   \
    return result;                                                                                  \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void *bytes, size_t length) {
  int counts = is_socket(fd);
  if (counts) at("before-send");
  ssize_t result = REAL(ssize_t, "write", int, const void *, size_t)(fd, bytes, length);
  if (counts) at("after-send");
  return result;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  int counts = is_socket(fd);
  if (counts) at("before-send");
  ssize_t result = REAL(ssize_t, "writev", int, const struct iovec *, int)(fd, parts, count);
  if (counts) at("after-send");
  return result;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  at("before-send");
  ssize_t result = REAL(ssize_t, "sendmsg", int, const struct msghdr *, int)(fd, message, flags);
  at("after-send");
  return result;
}
