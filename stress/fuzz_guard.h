/* For the fuzzer's build of _ring.c alone, included before anything else: no mapping has a neighbour.

   The sanitizer watches what malloc gives and knows nothing of shared memory: a read past a segment would end in the
   rest of its last page, or in whatever is mapped behind it. So each mapping lies between two pages that nobody may
   touch, the rest of its last page is poisoned, and what was unmapped stays out of use for a while, so that a late read
   of it is seen. */

#ifndef FUMEHOOD_FUZZ_GUARD_H
#define FUMEHOOD_FUZZ_GUARD_H

#include <sanitizer/asan_interface.h>
#include <stddef.h>
#include <sys/mman.h>

enum { GUARD_PAGE = 4096, GUARD_KEPT = 256 };

static inline size_t guard_whole(size_t size)
{
    return (size + GUARD_PAGE - 1) / GUARD_PAGE * GUARD_PAGE;
}

static inline void *guarded_mmap(void *hint, size_t size, int protection, int flags, int fd, off_t offset)
{
    (void)hint;
    size_t whole = guard_whole(size);
    unsigned char *base = mmap(NULL, whole + 2 * GUARD_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return MAP_FAILED;
    if (mmap(base + GUARD_PAGE, size, protection, flags | MAP_FIXED, fd, offset) == MAP_FAILED) {
        munmap(base, whole + 2 * GUARD_PAGE);
        return MAP_FAILED;
    }
    __asan_poison_memory_region(base + GUARD_PAGE + size, whole - size);
    return base + GUARD_PAGE;
}

static inline int guarded_munmap(void *at, size_t size)
{
    static struct {
        unsigned char *base;
        size_t size;
    } kept[GUARD_KEPT];
    static size_t next;
    size_t whole = guard_whole(size) + 2 * GUARD_PAGE;
    unsigned char *base = (unsigned char *)at - GUARD_PAGE;
    __asan_unpoison_memory_region(at, guard_whole(size));
    if (kept[next].base != NULL)
        munmap(kept[next].base, kept[next].size);
    kept[next].base = base;
    kept[next].size = whole;
    next = (next + 1) % GUARD_KEPT;
    return mmap(base, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0;
}

#define mmap guarded_mmap
#define munmap guarded_munmap

#endif
