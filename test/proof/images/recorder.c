/*
 * For LD_PRELOAD: records what reaches data.mdb, in order, in the file $RECORD_TO; and what is written to a file named "acks",
 * between it. Records: a letter, and then
 *   W <u8: 1 where the write is synchronous> <u64 offset> <u32 length> <bytes>
 *   T <u64 size>            ftruncate
 *   S                       fsync, fdatasync or msync returned
 *   A <u32 length> <bytes>  an acknowledgement
 * A record is written when the call has returned, and no other call runs meanwhile.
 *
 * With $BOOT_ID_FILE, the boot id of the system is read from there: LMDB may trust what was not synced on the same boot.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;

static void put(const void *bytes, size_t length) {
  if (out < 0) out = syscall(SYS_openat, AT_FDCWD, getenv("RECORD_TO"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  for (size_t done = 0; done < length;) {
    long some = syscall(SYS_write, out, (const char *)bytes + done, length - done);
    if (some <= 0) abort();
    done += some;
  }
}

static int ends_with(int fd, const char *end) {
  if (!getenv("RECORD_TO")) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path);
  ssize_t wanted = strlen(end);
  return length >= wanted && memcmp(path + length - wanted, end, wanted) == 0;
}

static void record_write(int fd, uint64_t offset, const struct iovec *parts, int count, ssize_t written) {
  uint8_t synchronous = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
  uint32_t length = written;
  put("W", 1), put(&synchronous, 1), put(&offset, 8), put(&length, 4);
  for (int i = 0; i < count && written > 0; i++) {
    size_t some = parts[i].iov_len < (size_t)written ? parts[i].iov_len : (size_t)written;
    put(parts[i].iov_base, some);
    written -= some;
  }
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

#define PWRITE(name)                                                                            \
  ssize_t name(int fd, const void *bytes, size_t length, off_t at) {                            \
    if (!ends_with(fd, "/data.mdb"))                                                            \
      return REAL(ssize_t, #name, int, const void *, size_t, off_t)(fd, bytes, length, at);     \
    pthread_mutex_lock(&lock);                                                                  \
    ssize_t written = REAL(ssize_t, #name, int, const void *, size_t, off_t)(fd, bytes, length, at); \
    struct iovec part = {(void *)bytes, length};                                                \
    if (written > 0) record_write(fd, at, &part, 1, written);                                   \
    pthread_mutex_unlock(&lock);                                                                \
    return written;                                                                             \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name)                                                                           \
  ssize_t name(int fd, const struct iovec *parts, int count, off_t at) {                        \
    if (!ends_with(fd, "/data.mdb"))                                                            \
      return REAL(ssize_t, #name, int, const struct iovec *, int, off_t)(fd, parts, count, at); \
    pthread_mutex_lock(&lock);                                                                  \
    ssize_t written = REAL(ssize_t, #name, int, const struct iovec *, int, off_t)(fd, parts, count, at); \
    if (written > 0) record_write(fd, at, parts, count, written);                               \
    pthread_mutex_unlock(&lock);                                                                \
    return written;                                                                             \
  }
PWRITEV(pwritev)
PWRITEV(pwritev64)

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!ends_with(fd, "/data.mdb")) return REAL(ssize_t, "writev", int, const struct iovec *, int)(fd, parts, count);
  pthread_mutex_lock(&lock);
  off_t at = lseek(fd, 0, SEEK_CUR);
  ssize_t written = REAL(ssize_t, "writev", int, const struct iovec *, int)(fd, parts, count);
  if (written > 0) record_write(fd, at, parts, count, written);
  pthread_mutex_unlock(&lock);
  return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  int acknowledges = fd > 2 && ends_with(fd, "/acks");
  int stores = fd > 2 && !acknowledges && ends_with(fd, "/data.mdb");
  if (!acknowledges && !stores) return REAL(ssize_t, "write", int, const void *, size_t)(fd, bytes, length);
  pthread_mutex_lock(&lock);
  off_t at = lseek(fd, 0, SEEK_CUR);
  ssize_t written = REAL(ssize_t, "write", int, const void *, size_t)(fd, bytes, length);
  struct iovec part = {(void *)bytes, length};
  uint32_t some = written;
  if (stores && written > 0) record_write(fd, at, &part, 1, written);
  if (acknowledges && written > 0) put("A", 1), put(&some, 4), put(bytes, written);
  pthread_mutex_unlock(&lock);
  return written;
}

#define TRUNCATE(name)                                           \
  int name(int fd, off_t size) {                                 \
    int recorded = ends_with(fd, "/data.mdb");                   \
    if (recorded) pthread_mutex_lock(&lock);                     \
    int result = REAL(int, #name, int, off_t)(fd, size);         \
    uint64_t to = size;                                          \
    if (recorded && result == 0) put("T", 1), put(&to, 8);       \
    if (recorded) pthread_mutex_unlock(&lock);                   \
    return result;                                               \
  }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define SYNC(name)                                               \
  int name(int fd) {                                             \
    int recorded = ends_with(fd, "/data.mdb");                   \
    if (recorded) pthread_mutex_lock(&lock);                     \
    int result = REAL(int, #name, int)(fd);                      \
    if (recorded && result == 0) put("S", 1);                    \
    if (recorded) pthread_mutex_unlock(&lock);                   \
    return result;                                               \
  }
SYNC(fsync)
SYNC(fdatasync)

int msync(void *at, size_t length, int flags) {
  int result = REAL(int, "msync", void *, size_t, int)(at, length, flags);
  if (getenv("RECORD_TO") && result == 0 && (flags & MS_SYNC)) {
    pthread_mutex_lock(&lock);
    put("S", 1);
    pthread_mutex_unlock(&lock);
  }
  return result;
}

#define OPEN(name)                                                                          \
  int name(const char *path, int flags, ...) {                                              \
    va_list rest;                                                                           \
    va_start(rest, flags);                                                                  \
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;                       \
    va_end(rest);                                                                           \
    const char *other = getenv("BOOT_ID_FILE");                                             \
    if (other && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) path = other;        \
    return REAL(int, #name, const char *, int, ...)(path, flags, mode);                     \
  }
OPEN(open)
OPEN(open64)
