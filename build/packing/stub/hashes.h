#ifndef HASHES_H
#define HASHES_H

#include "linux.h"

/* Whether this call gains by the hashes of Node's start-up snapshot and loses nothing. */
int is_quick_call(u64 argument_count, char **arguments) HIDDEN;

/* Lets V8 keep them. The number is where the build found it, in read-only memory with pages of this size. */
void keep_hashes(u32 *may_rehash, u64 page) HIDDEN;

#endif
