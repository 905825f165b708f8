/*
 * V8 finds strings in its tables by their hashes, and mixes a secret into these that it draws at every start,
 * so that nobody can send it names that all have the same hash and keep it busy with them. For that it hashes
 * everything in Node's start-up snapshot anew, which takes a quarter of the time in which Node starts.
 *
 * A call that reads nothing but what its operator put there, and ends at once, does not need the secret. These
 * calls are made again and again: by installers, by orchestrators, and by whoever asks for the agent's health
 * every few seconds. They keep the hashes that the snapshot has. The service and all other commands draw a
 * secret.
 *
 * A snapshot begins with two 32-bit numbers: how many contexts it has, and whether it may be hashed anew. V8 asks
 * the second before it does. It is a 1 in the file, found by build/node/v8-snapshot.ts; here it becomes a 0, in
 * this process's copy of a page that is read-only before and after.
 */
#include "hashes.h"
#include "architecture.h"

static int is_same(const char *one, const char *other) {
  while (*one != 0 && *one == *other) one++, other++;
  return *one == *other;
}

int is_quick_call(u64 argument_count, char **arguments) {
  if (argument_count < 2) return 0;
  const char *first = arguments[1];
  if (is_same(first, "--version") || is_same(first, "-V") || is_same(first, "--detect-only")) return 1;
  return argument_count > 2 && is_same(first, "doctor") && is_same(arguments[2], "--probe");
}

void keep_hashes(u32 *may_rehash, u64 page) {
  long start = (long)((u64)may_rehash & ~(page - 1));
  /* Where this is forbidden the call is slower, and that is all. */
  if (syscall6(SYS_mprotect, start, (long)page, PROT_READ | PROT_WRITE, 0, 0, 0) != 0) return;
  *(volatile u32 *)may_rehash = 0;
  syscall6(SYS_mprotect, start, (long)page, PROT_READ, 0, 0, 0);
}
