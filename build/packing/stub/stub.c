/*
 * The first code that runs in the agent's process. It does what the kernel does for an ordinary program.
 *
 * An ordinary program names a dynamic loader (PT_INTERP) and libraries (DT_NEEDED), which the kernel and the
 * loader find in the image's file system. An image may have none, or different ones. So the file contains its
 * own, names no loader, and starts here:
 *
 *     kernel ──▶ enter ─ prepare ──▶ loader ──▶ resume ─ finish ──▶ Node
 *                 │                   │          │
 *                 │                   │          └ closes the libraries' descriptors
 *                 │                   └ maps the libraries from those descriptors, relocates, initialises
 *                 ├ as process 1: fork, stay behind as init                                  (init.c)
 *                 ├ hide the image's LD_*, NODE_* …                                   (environment.c)
 *                 ├ set a variable if SIGHUP is ignored                                    (hangup.c)
 *                 ├ copy each library from this file into a memfd, and write its number into the
 *                 │ string that DT_NEEDED points to: "/proc/self/fd/17"
 *                 ├ let short-lived calls keep the hashes of Node's snapshot               (hashes.c)
 *                 ├ map the loader
 *                 └ tell it about Node, through the auxiliary vector
 *
 * The kernel maps the stub's segment, made by build/packing/self-contained.ts, as one readable and executable
 * PT_LOAD, with each part on its own pages (of up to 64 KiB):
 *
 *     stub           code and constants; unchanged
 *     plan, strings  writable for a moment, then read-only
 *     payload        the bytes of the loader and the libraries; unmapped once copied
 *
 * Assumptions. test/build/assumptions.test.ts tests each by number; hashes.test.ts tests the last.
 *  1. A program without PT_INTERP is entered at e_entry with argc, argv, envp and the auxiliary vector on
 *     the stack, and its auxiliary vector has AT_PHDR, AT_PHNUM, AT_BASE, AT_ENTRY and AT_PAGESZ.
 *  2. The loader learns what to load only from AT_PHDR, AT_PHNUM and AT_ENTRY. It computes the load bias from
 *     PT_PHDR, and takes its own name from PT_INTERP; the second program header table has both.
 *  3. A DT_NEEDED that contains a slash is opened as a path. A value beyond the string table's end works.
 *  4. The libraries' own dependencies ("libc.so.6") are found among the loaded libraries by SONAME.
 *  5. The name in DT_VERNEED is compared with the name in DT_NEEDED, so both point to the same string.
 *  6. /proc/self/fd/N reopens the memfd, and it may be mapped executable regardless of its mode bits.
 *  7. The loader uses the rest of the last page of its writable memory and expects it to be zero.
 *  8. When all libraries are mapped and initialised, the loader jumps to AT_ENTRY, and reads no library
 *     through its descriptor again.
 *  9. The lowest free descriptor is below the limit and unused. If a standard stream is closed, that may be its
 *     descriptor; it is free again before Node, which reopens standard streams, starts.
 * 10. With AT_SECURE (set-user-ID, file capabilities) the loader and Node distrust the environment themselves,
 *     and the loader removes dangerous variables. It would miss variables set aside, so none are.
 * 11. V8 rehashes the strings of Node's start-up snapshot only if a number at its beginning allows it, and a page
 *     of read-only data can be made writable and read-only again.
 * 12. The auxiliary vector directly follows the environment's NULL and ends with the key AT_NULL, whose value is
 *     never read.
 */
#include "architecture.h"
#include "environment.h"
#include "failure.h"
#include "hangup.h"
#include "hashes.h"
#include "init.h"
#include "plan.h"

ENTRY_POINTS;

extern const char resume[] HIDDEN;

/* The initial stack. */
struct start {
  u64 argument_count;
  char **arguments;
  char **environment;
  u64 *auxiliary; /* pairs of key and value */
};

static struct start read_stack(u64 *stack) {
  u64 argument_count = stack[0];
  u64 *environment = stack + 1 + argument_count + 1;
  u64 *end = environment;
  while (*end != 0) end++;
  return (struct start){
      .argument_count = argument_count,
      .arguments = (char **)stack + 1,
      .environment = (char **)environment,
      .auxiliary = end + 1,
  };
}

static u64 auxiliary_value(const u64 *auxiliary, u64 key) {
  for (; auxiliary[0] != AT_NULL; auxiliary += 2)
    if (auxiliary[0] == key) return auxiliary[1];
  return 0;
}

static int is_error(long result) { return result < 0 && result >= -4095; }

static u64 load_bias(void) { return (u64)&plan - plan.link_address; }

static const char *at_link_address(u64 address) { return (const char *)(address + load_bias()); }

static _Noreturn void give_up_on_descriptors(long error) {
  give_up(FEW_DESCRIPTORS, "the limit on open files is too low; raise it to 64 or more (ulimit -n), or start with fewer "
                           "files open", error);
}

static _Noreturn void give_up_on_memory_file(long error) {
  if (error == -EMFILE || error == -ENFILE) give_up_on_descriptors(error);
  if (error == -ENOMEM) give_up(LITTLE_MEMORY, "memory is exhausted; raise the container's limit", error);
  give_up(NO_MEMFD, "memfd_create is forbidden here, and the libraries inside this file need it; allow it in the "
                    "seccomp profile", error);
}

/*
 * Creates an in-memory file with these bytes. It must be mappable as code but not executable as a file; kernels
 * before 6.3 lack the flag for that.
 */
static long memory_file(const char *name, const char *bytes, u64 size) {
  long file = syscall6(SYS_memfd_create, (long)name, MFD_CLOEXEC | MFD_NOEXEC_SEAL, 0, 0, 0, 0);
  if (file == -EINVAL) file = syscall6(SYS_memfd_create, (long)name, MFD_CLOEXEC, 0, 0, 0, 0);
  if (file < 0) give_up_on_memory_file(file);

  while (size > 0) {
    long written = syscall6(SYS_write, file, (long)bytes, (long)size, 0, 0, 0);
    if (written <= 0) give_up(LITTLE_MEMORY, "the libraries do not fit into memory; raise the container's limit", written);
    bytes += written;
    size -= (u64)written;
  }
  return file;
}

/* Completes "/proc/self/fd/" with the number. The build left space for ten digits and the NUL. */
static void complete_path(char *path, long number) {
  while (*path != 0) path++;
  long power = 1;
  while (number / power >= 10) power *= 10;
  for (; power > 0; power /= 10) *path++ = (char)('0' + number / power % 10);
  *path = 0;
}

static void provide_libraries(void) {
  for (u64 index = 0; index < plan.libraries_count; index++) {
    struct library *library = &plan.libraries[index];
    library->descriptor =
        memory_file(at_link_address(library->name), at_link_address(library->image), library->size);
    complete_path((char *)at_link_address(library->path), library->descriptor);
  }
}

/* With fewer, Node aborts or crashes at start, or the agent reports an interpreter as missing. */
#define DESCRIPTORS_MIN 28

/* Opens and closes that many to check, because the limit does not tell how many are in use. */
static void rehearse_descriptors(void) {
  long taken[DESCRIPTORS_MIN];
  u64 count = 0;
  for (; count + plan.libraries_count < DESCRIPTORS_MIN; count++) {
    taken[count] = syscall6(SYS_dup, plan.libraries[0].descriptor, 0, 0, 0, 0, 0);
    if (taken[count] < 0) give_up_on_descriptors(taken[count]);
  }
  while (count > 0) syscall6(SYS_close, taken[--count], 0, 0, 0, 0, 0);
}

/* Tries what the loader is about to do, because the loader's own error messages are not helpful. */
static void rehearse_opening(const struct library *library) {
  long again = syscall6(SYS_openat, AT_FDCWD, (long)at_link_address(library->path), O_CLOEXEC, 0, 0, 0);
  if (again == -ENFILE) give_up_on_descriptors(again);
  if (again < 0)
    give_up(NO_PROC, "/proc is not mounted here, and the libraries inside this file are reached through it; mount "
                     "proc on /proc", again);
  syscall6(SYS_close, again, 0, 0, 0, 0, 0);
}

static _Noreturn void give_up_on_memory(long error) {
  if (error == -EPERM || error == -EACCES)
    give_up(NO_EXECUTABLE_MEMORY, "a security policy forbids executing code from memory or changing memory protection, "
                                  "and the libraries inside this file need both", error);
  give_up(LITTLE_MEMORY, "the loader does not fit into memory; raise the container's limit", error);
}

static void protect_plan(u64 protection) {
  long error = syscall6(SYS_mprotect, (long)&plan, PLAN_ROOM, (long)protection, 0, 0, 0);
  if (is_error(error)) give_up_on_memory(error);
}

static long map_or_give_up(u64 address, u64 size, u64 protection, u64 flags, long file, u64 offset) {
  long mapped = syscall6(SYS_mmap, (long)address, (long)size, (long)protection, (long)flags, file, (long)offset);
  if (is_error(mapped)) give_up_on_memory(mapped);
  return mapped;
}

/* Maps one segment of the loader and zeroes the rest of its last page after the file's bytes. */
static void map_segment(const struct segment *segment, u64 base, long file, u64 page) {
  u64 start = base + segment->address;
  u64 below = start & (page - 1);
  map_or_give_up(start - below, segment->file_size + below, segment->protection, MAP_PRIVATE | MAP_FIXED, file,
                 segment->offset - below);
  if (!(segment->protection & PROT_WRITE)) return;

  u64 filled = start + segment->file_size;
  u64 filled_pages = (filled + page - 1) & ~(page - 1);
  u64 end = start + segment->memory_size;
  for (volatile char *byte = (volatile char *)filled; byte < (volatile char *)filled_pages; byte++) *byte = 0;
  if (end > filled_pages)
    map_or_give_up(filled_pages, end - filled_pages, segment->protection, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
}

/* Returns the loader's base address. */
static u64 map_loader(u64 page) {
  long file = memory_file("ld.so", at_link_address(plan.loader_image), plan.loader_size);
  u64 base = (u64)map_or_give_up(0, plan.loader_extent, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (u64 index = 0; index < plan.loader_segments_count; index++)
    map_segment(&plan.loader_segments[index], base, file, page);
  syscall6(SYS_close, file, 0, 0, 0, 0, 0);
  return base;
}

static void tell_loader(u64 *auxiliary, u64 loader_base) {
  for (; auxiliary[0] != AT_NULL; auxiliary += 2) {
    if (auxiliary[0] == AT_BASE) auxiliary[1] = loader_base;
    if (auxiliary[0] == AT_PHDR) auxiliary[1] = plan.program_headers + load_bias();
    if (auxiliary[0] == AT_PHNUM) auxiliary[1] = plan.program_headers_count;
    if (auxiliary[0] == AT_ENTRY) auxiliary[1] = (u64)resume;
  }
}

/* Called by `enter`; returns the loader's entry. */
__attribute__((used)) HIDDEN u64 prepare(u64 *stack) {
  struct start start = read_stack(stack);
  leave_process_1();
  if (auxiliary_value(start.auxiliary, AT_SECURE) == 0) set_aside(start.environment);
  if (ignores_hangup()) start.auxiliary = tell_of_ignored_hangup(start.auxiliary);

  protect_plan(PROT_READ | PROT_WRITE);
  provide_libraries();
  protect_plan(PROT_READ);
  rehearse_descriptors();
  rehearse_opening(&plan.libraries[plan.libraries_count - 1]);

  u64 page = auxiliary_value(start.auxiliary, AT_PAGESZ);
  if (plan.may_rehash != 0 && is_quick_call(start.argument_count, start.arguments))
    keep_hashes((u32 *)at_link_address(plan.may_rehash), page);
  u64 loader_base = map_loader(page);
  syscall6(SYS_munmap, (long)at_link_address(plan.payload), (long)plan.payload_size, 0, 0, 0, 0);
  tell_loader(start.auxiliary, loader_base);
  return loader_base + plan.loader_entry;
}

/* Called by `resume`; returns Node's entry. */
__attribute__((used)) HIDDEN u64 finish(void) {
  for (u64 index = 0; index < plan.libraries_count; index++)
    syscall6(SYS_close, plan.libraries[index].descriptor, 0, 0, 0, 0, 0);
  return plan.program_entry + load_bias();
}
