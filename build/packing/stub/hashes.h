#ifndef HASHES_H
#define HASHES_H

#include "linux.h"

/* Whether this call can safely keep the hashes of Node's start-up snapshot. */
int is_quick_call(u64 argument_count, char **arguments) HIDDEN;

/* Makes V8 keep them. Takes the number's address, in read-only memory, and the page size. */
void keep_hashes(u32 *may_rehash, u64 page) HIDDEN;

#endif
