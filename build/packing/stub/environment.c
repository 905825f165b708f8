/*
 * An image's LD_PRELOAD, NODE_OPTIONS and the like are meant for the image's programs. Here they would
 * pull a foreign C library into the process, or make Node run a foreign file, or exit.
 *
 * They are not removed, because the programs that the agent starts shall have them. Their first letter
 * becomes '@', in place: `@D_PRELOAD=…` has the same length, no program looks for it, and the rest of the
 * name says what the letter was. src/agent/restored-environment.ts undoes it; the list of names is
 * generated from that file (`SET_ASIDE`: strings one after the other, each ended by NUL; `KEPT` likewise).
 * An entry that ends in '=' is a whole name, any other a prefix.
 */
#include "environment.h"
#include "environment-names.h"

static int begins_with(const char *text, const char *prefix) {
  while (*prefix != 0)
    if (*text++ != *prefix++) return 0;
  return 1;
}

static int is_listed(const char *variable, const char *list) {
  while (*list != 0) {
    if (begins_with(variable, list)) return 1;
    while (*list++ != 0) {}
  }
  return 0;
}

void set_aside(char **environment) {
  for (; *environment != 0; environment++)
    if (is_listed(*environment, SET_ASIDE) && !is_listed(*environment, KEPT)) (*environment)[0] = '@';
}

/*
 * The environment, the NULL that ends it and the auxiliary vector follow each other without a gap. So the vector moves
 * up by one word. There is room: the value beside its last key, AT_NULL, has no meaning.
 */
u64 *tell_of_ignored_hangup(u64 *auxiliary) {
  u64 *last = auxiliary;
  while (last[0] != AT_NULL) last += 2;
  for (u64 *word = last; word >= auxiliary; word--) word[1] = word[0];
  auxiliary[-1] = (u64)IGNORES_HANGUP;
  auxiliary[0] = 0;
  return auxiliary + 1;
}
