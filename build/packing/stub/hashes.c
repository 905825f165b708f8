/*
 * V8 mixes a random secret, chosen at every start, into its string hashes, so that an attacker cannot send names
 * with colliding hashes. For that it rehashes all of Node's start-up snapshot, which takes a quarter of Node's
 * start-up time.
 *
 * A short-lived call that reads only its operator's input does not need the secret. Installers, orchestrators and
 * health checks make such calls frequently. They keep the snapshot's hashes; the service and all other commands use
 * a secret.
 *
 * A snapshot begins with two 32-bit numbers: the number of contexts, and whether it may be rehashed. V8 checks the
 * second. It is 1 in the file, where build/node/v8-snapshot.ts finds it, and becomes 0 here, in this process's copy
 * of a page that is read-only before and after.
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
  /* If this is forbidden, the call is merely slower. */
  if (syscall6(SYS_mprotect, start, (long)page, PROT_READ | PROT_WRITE, 0, 0, 0) != 0) return;
  *(volatile u32 *)may_rehash = 0;
  syscall6(SYS_mprotect, start, (long)page, PROT_READ, 0, 0, 0);
}
