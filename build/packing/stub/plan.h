/*
 * The build's data for the stub, written by build/packing/plan.ts in this order, with eight bytes per field.
 *
 * A "link address" is an address as in the file's headers. If the program is position-independent, the kernel
 * adds a load bias to all addresses, and so must the stub.
 */
#ifndef PLAN_H
#define PLAN_H

#include "linux.h"

#define LOADER_SEGMENTS_MAX 8
#define LIBRARIES_MAX 16

struct segment {
  u64 offset, address, file_size, memory_size, protection;
};

struct library {
  u64 image, size; /* link address and length of its bytes */
  u64 name;        /* link address of "libc.so.6", shown in /proc/<pid>/maps */
  u64 path;        /* link address of "/proc/self/fd/", to be completed with the descriptor's number */
  long descriptor; /* filled in by the stub */
};

struct plan {
  u64 link_address; /* of this plan; its actual address minus this is the load bias */
  u64 program_entry;
  u64 program_headers, program_headers_count; /* the second table, the one with PT_INTERP */
  u64 may_rehash;                             /* of a 32-bit number in Node, see hashes.c; 0 if there is none */
  u64 payload, payload_size;                  /* the images below, unmapped as one range */
  u64 loader_image, loader_size, loader_entry, loader_extent;
  u64 loader_segments_count;
  struct segment loader_segments[LOADER_SEGMENTS_MAX];
  u64 libraries_count;
  struct library libraries[LIBRARIES_MAX];
};

/* The plan has these bytes to itself: 64 KiB, the largest page size that Linux uses. */
#define PLAN_ROOM 0x10000

extern struct plan plan HIDDEN;

#endif
