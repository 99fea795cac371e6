/* Loaded before the C library (LD_PRELOAD): counts the calls that change files below one folder, in all processes
 * together, and makes the n-th go wrong.
 *
 * FAULT_FOLDER   folder whose files count; its real path
 * FAULT_COUNTER  file that is mapped: 8 bytes of count, then a letter for each call
 * FAULT_AT       which call goes wrong, from 1; 0: none
 * FAULT_KIND     error     that call fails with EIO
 *                kill      the process is killed before that call
 *                full      that call and all later ones that need room fail with ENOSPC
 *                torn      half of that write is done, then the process is killed; of other calls, as kill
 *                readonly  every call but a sync fails with EROFS, also opening for writing; FAULT_AT is ignored
 * FAULT_CLOCK    seconds by which the clock has been set back; files get their times from the system as ever
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOST 65536
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static char folder[4096];
static size_t folder_length;
static char *shared; /* count, letters */
static long at, set_back;
static enum { NONE, ERROR, KILL, FULL, TORN, READONLY } kind = NONE;

/* Also called by a process that was forked, not executed, once its environment is set. */
__attribute__((constructor)) void failing_calls_start(void) {
    const char *names[] = {"error", "kill", "full", "torn", "readonly"};
    const char *where = getenv("FAULT_FOLDER"), *counter = getenv("FAULT_COUNTER");
    const char *what = getenv("FAULT_KIND"), *number = getenv("FAULT_AT");
    const char *clock = getenv("FAULT_CLOCK");
    set_back = clock ? atol(clock) : 0;
    kind = NONE;
    if (shared) munmap(shared, 8 + MOST);
    shared = NULL;
    if (!where || !counter) return;
    snprintf(folder, sizeof folder, "%s", where);
    folder_length = strlen(folder);
    int descriptor = NEXT(open)(counter, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    shared = mmap(NULL, 8 + MOST, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (shared == MAP_FAILED) shared = NULL;
    at = number ? atol(number) : 0;
    for (int i = 0; what && i < 5; i++)
        if (!strcmp(what, names[i])) kind = i + 1;
}

static int is_below(const char *path) {
    return !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

static int file_counts(int descriptor) {
    char link[64], path[4096];
    if (!shared) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static int path_counts(int directory, const char *name) {
    char path[8192];
    if (!shared || !name) return 0;
    if (name[0] == '/') return is_below(name);
    if (directory != AT_FDCWD) return file_counts(directory);
    if (!getcwd(path, 4096)) return 0;
    strncat(path, "/", 2);
    strncat(path, name, 4000);
    return is_below(path);
}

/* Whether the call is to fail; errno is set then. A torn write is left to its caller. */
static int goes_wrong(char letter, int needs_room) {
    int before = errno;
    if (kind == READONLY) {
        if (letter == 's') return 0;
        errno = EROFS;
        return 1;
    }
    long count = __atomic_add_fetch((long *)shared, 1, __ATOMIC_SEQ_CST);
    if (count < MOST) shared[8 + count] = letter;
    errno = before;
    if (kind == FULL && at && count >= at && needs_room) {
        errno = ENOSPC;
        return 1;
    }
    if (kind == NONE || count != at || kind == FULL) return 0;
    if (kind == KILL || (kind == TORN && letter != 'w')) {
        kill(getpid(), SIGKILL);
        pause();
    }
    if (kind == ERROR) errno = EIO;
    return kind == ERROR || kind == TORN;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    pause();
}

ssize_t write(int fd, const void *data, size_t size) {
    if (file_counts(fd) && goes_wrong('w', 1)) {
        if (kind != TORN) return -1;
        NEXT(write)(fd, data, size / 2);
        die();
    }
    return NEXT(write)(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (file_counts(fd) && goes_wrong('w', 1)) {
        if (kind != TORN) return -1;
        NEXT(write)(fd, parts[0].iov_base, parts[0].iov_len / 2);
        die();
    }
    return NEXT(writev)(fd, parts, count);
}

#define PWRITE(name, offset_type)                                                  \
    ssize_t name(int fd, const void *data, size_t size, offset_type offset) {      \
        if (file_counts(fd) && goes_wrong('w', 1)) {                               \
            if (kind != TORN) return -1;                                           \
            NEXT(name)(fd, data, size / 2, offset);                                \
            die();                                                                 \
        }                                                                          \
        return NEXT(name)(fd, data, size, offset);                                 \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define CALL(name, letter, needs_room, counts, parameters, arguments)    \
    int name parameters {                                                \
        if ((counts) && goes_wrong(letter, needs_room)) return -1;       \
        return NEXT(name) arguments;                                     \
    }
CALL(fsync, 's', 0, file_counts(fd), (int fd), (fd))
CALL(fdatasync, 's', 0, file_counts(fd), (int fd), (fd))
CALL(ftruncate, 't', 0, file_counts(fd), (int fd, off_t size), (fd, size))
CALL(ftruncate64, 't', 0, file_counts(fd), (int fd, off64_t size), (fd, size))
CALL(rename, 'r', 0, path_counts(AT_FDCWD, to), (const char *from, const char *to), (from, to))
CALL(renameat, 'r', 0, path_counts(b, to), (int a, const char *from, int b, const char *to), (a, from, b, to))
CALL(mkdir, 'm', 1, path_counts(AT_FDCWD, path), (const char *path, mode_t mode), (path, mode))
CALL(mkdirat, 'm', 1, path_counts(at, path), (int at, const char *path, mode_t mode), (at, path, mode))
CALL(unlink, 'u', 0, path_counts(AT_FDCWD, path), (const char *path), (path))
CALL(unlinkat, 'u', 0, path_counts(at, path), (int at, const char *path, int flags), (at, path, flags))
CALL(rmdir, 'u', 0, path_counts(AT_FDCWD, path), (const char *path), (path))
CALL(symlink, 'l', 1, path_counts(AT_FDCWD, path), (const char *to, const char *path), (to, path))
CALL(symlinkat, 'l', 1, path_counts(at, path), (const char *to, int at, const char *path), (to, at, path))

static int refuses(int directory, const char *path, int flags) {
    int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    if (kind != READONLY || !writes || !path_counts(directory, path)) return 0;
    errno = EROFS;
    return 1;
}

#define OPEN(name)                                              \
    int name(const char *path, int flags, ...) {                \
        va_list rest;                                           \
        va_start(rest, flags);                                  \
        mode_t mode = va_arg(rest, mode_t);                     \
        va_end(rest);                                           \
        if (refuses(AT_FDCWD, path, flags)) return -1;          \
        return NEXT(name)(path, flags, mode);                   \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                            \
    int name(int directory, const char *path, int flags, ...) { \
        va_list rest;                                           \
        va_start(rest, flags);                                  \
        mode_t mode = va_arg(rest, mode_t);                     \
        va_end(rest);                                           \
        if (refuses(directory, path, flags)) return -1;         \
        return NEXT(name)(directory, path, flags, mode);        \
    }
OPENAT(openat)
OPENAT(openat64)

int clock_gettime(clockid_t clock, struct timespec *now) {
    int code = NEXT(clock_gettime)(clock, now);
    if (!code && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec -= set_back;
    return code;
}

time_t time(time_t *where) {
    time_t now = NEXT(time)(NULL) - set_back;
    if (where) *where = now;
    return now;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int code = NEXT(gettimeofday)(now, zone);
    if (!code) now->tv_sec -= set_back;
    return code;
}
