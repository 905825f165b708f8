/*
 * An image's LD_PRELOAD, NODE_OPTIONS and the like are meant for the image's programs. Here they would load
 * a foreign C library into the process, or make Node run a foreign file or exit.
 *
 * They are not removed, because the programs that the agent starts need them. Instead their first letter is
 * replaced by '@' in place: `@D_PRELOAD=…` has the same length, no program looks for it, and the rest of the
 * name determines the letter. src/agent/restored-environment.ts undoes this; the lists of names are generated
 * from that file (`SET_ASIDE` and `KEPT`: strings, each ended by NUL). An entry that ends with '=' is a whole
 * name, any other a prefix.
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
 * The environment, its final NULL and the auxiliary vector are adjacent, so the vector moves up by one word. There is
 * space for that, because the value of its last key, AT_NULL, has no meaning.
 */
u64 *tell_of_ignored_hangup(u64 *auxiliary) {
  u64 *last = auxiliary;
  while (last[0] != AT_NULL) last += 2;
  for (u64 *word = last; word >= auxiliary; word--) word[1] = word[0];
  auxiliary[-1] = (u64)IGNORES_HANGUP;
  auxiliary[0] = 0;
  return auxiliary + 1;
}
