/* Lets one call of the system fail, or kills the process at it: the n-th of its kind on files below a folder.
 *
 * Preloaded into a Python that arms it by `faults_arm`. Kinds and ways are those of `tests/faults/matrix.py`.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPEN, READ, WRITE, SYNC, RENAME, UNLINK, MKDIR, TRUNCATE, LOCK, UTIME, CHMOD, CLOSE, STAT, LIST, KINDS };
enum { SHORT = -1, BEFORE = -2, AFTER = -3, WITHIN = -4 };  /* else an errno */
enum { MINE = 1, SQLITES = 2 };
#define FILES 4096
#define CALLS 65536

static char root[4096];
static size_t root_length;
static char ours[FILES];
static int armed, kind_at, number_at, way_at, lasting;
static int counts[KINDS];
static char whose[KINDS][CALLS];  /* 's' for a call on one of SQLite's files, else '.' */

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

void faults_arm(const char *folder, int kind, int number, int way, int goes_on) {
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    memset(counts, 0, sizeof counts);
    memset(whose, 0, sizeof whose);
    kind_at = kind, number_at = number, way_at = way, lasting = goes_on, armed = 1;
}

const char *faults_calls(int kind) { armed = 0; return whose[kind]; }

static int below(const char *path) {
    if (!armed || !path || strncmp(path, root, root_length) != 0) return 0;
    return strstr(path + root_length, ".db") || strstr(path + root_length, ".new") ? SQLITES : MINE;
}
static int tracked(int fd) { return armed && fd >= 0 && fd < FILES ? ours[fd] : 0; }
static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

/* The way in which this call is to fail; 0 for none. */
static int due(int kind, int mine) {
    int number = ++counts[kind];
    if (number < CALLS) whose[kind][number - 1] = mine == SQLITES ? 's' : '.';
    if (kind != kind_at || number < number_at || (number > number_at && !lasting)) return 0;
    if (way_at == BEFORE) die();
    return way_at;
}

#define FAILS(kind, counts_here, result) \
    int mine_here = (counts_here), way = mine_here ? due(kind, mine_here) : 0; \
    if (way > 0) { errno = way; return result; }
#define DONE(call) do { __typeof__(call) done = (call); if (way == AFTER || way == WITHIN) die(); return done; } while (0)

static int opened(int fd, int mine) {
    if (fd >= 0 && fd < FILES) ours[fd] = (char)mine;
    return fd;
}

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        int mine = below(path); FAILS(OPEN, mine, -1) \
        int fd = opened(real(path, flags, mode), mine); \
        if (way == AFTER || way == WITHIN) die(); \
        return fd; }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(name); va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        int mine = below(path); FAILS(OPEN, mine, -1) \
        int fd = opened(real(at, path, flags, mode), mine); \
        if (way == AFTER || way == WITHIN) die(); \
        return fd; }
OPENS_AT(openat)
OPENS_AT(openat64)

/* A close that fails has closed all the same, on Linux. */
int close(int fd) {
    REAL(close);
    int mine = tracked(fd), way = mine ? due(CLOSE, mine) : 0;
    if (fd >= 0 && fd < FILES) ours[fd] = 0;
    int done = real(fd);
    if (way == AFTER) die();
    if (way > 0) { errno = way; return -1; }
    return done;
}

ssize_t read(int fd, void *data, size_t size) { REAL(read); FAILS(READ, tracked(fd), -1) DONE(real(fd, data, size)); }
ssize_t pread(int fd, void *data, size_t size, off_t at) {
    REAL(pread); FAILS(READ, tracked(fd), -1) DONE(real(fd, data, size, at)); }
ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    REAL(pread64); FAILS(READ, tracked(fd), -1) DONE(real(fd, data, size, at)); }

#define LESS if (way == SHORT || way == WITHIN) size = size / 2
ssize_t write(int fd, const void *data, size_t size) {
    REAL(write); FAILS(WRITE, tracked(fd), -1) LESS; DONE(real(fd, data, size)); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(pwrite); FAILS(WRITE, tracked(fd), -1) LESS; DONE(real(fd, data, size, at)); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(pwrite64); FAILS(WRITE, tracked(fd), -1) LESS; DONE(real(fd, data, size, at)); }

int fsync(int fd) { REAL(fsync); FAILS(SYNC, tracked(fd), -1) DONE(real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); FAILS(SYNC, tracked(fd), -1) DONE(real(fd)); }
int rename(const char *from, const char *to) { REAL(rename); FAILS(RENAME, below(to), -1) DONE(real(from, to)); }
int link(const char *from, const char *to) { REAL(link); FAILS(RENAME, below(to), -1) DONE(real(from, to)); }
int unlink(const char *path) { REAL(unlink); FAILS(UNLINK, below(path), -1) DONE(real(path)); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); FAILS(MKDIR, below(path), -1) DONE(real(path, mode)); }
int ftruncate(int fd, off_t size) { REAL(ftruncate); FAILS(TRUNCATE, tracked(fd), -1) DONE(real(fd, size)); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); FAILS(TRUNCATE, tracked(fd), -1) DONE(real(fd, size)); }
int flock(int fd, int how) { REAL(flock); FAILS(LOCK, tracked(fd), -1) DONE(real(fd, how)); }
int utimensat(int at, const char *path, const struct timespec times[2], int flags) {
    REAL(utimensat); FAILS(UTIME, below(path), -1) DONE(real(at, path, times, flags)); }
int chmod(const char *path, mode_t mode) { REAL(chmod); FAILS(CHMOD, below(path), -1) DONE(real(path, mode)); }

#define CONTROLS(name) \
    int name(int fd, int what, ...) { \
        REAL(name); va_list list; va_start(list, what); void *more = va_arg(list, void *); va_end(list); \
        int locks = what == F_SETLK || what == F_SETLKW; \
        FAILS(LOCK, locks ? tracked(fd) : 0, -1) DONE(real(fd, what, more)); }
CONTROLS(fcntl)
CONTROLS(fcntl64)

int stat(const char *path, struct stat *to) { REAL(stat); FAILS(STAT, below(path), -1) DONE(real(path, to)); }
int lstat(const char *path, struct stat *to) { REAL(lstat); FAILS(STAT, below(path), -1) DONE(real(path, to)); }
int fstat(int fd, struct stat *to) { REAL(fstat); FAILS(STAT, tracked(fd), -1) DONE(real(fd, to)); }
int stat64(const char *path, struct stat64 *to) { REAL(stat64); FAILS(STAT, below(path), -1) DONE(real(path, to)); }
int lstat64(const char *path, struct stat64 *to) { REAL(lstat64); FAILS(STAT, below(path), -1) DONE(real(path, to)); }
int fstat64(int fd, struct stat64 *to) { REAL(fstat64); FAILS(STAT, tracked(fd), -1) DONE(real(fd, to)); }
int fstatat(int at, const char *path, struct stat *to, int how) {
    REAL(fstatat); FAILS(STAT, below(path), -1) DONE(real(at, path, to, how)); }
int fstatat64(int at, const char *path, struct stat64 *to, int how) {
    REAL(fstatat64); FAILS(STAT, below(path), -1) DONE(real(at, path, to, how)); }
DIR *opendir(const char *path) { REAL(opendir); FAILS(LIST, below(path), NULL) DONE(real(path)); }

/* SQLite waits by this, and counts what it asked for: it need not be waited for where nobody else is there. */
int usleep(useconds_t time) { REAL(usleep); return armed ? 0 : real(time); }
