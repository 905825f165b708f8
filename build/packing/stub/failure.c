#include "failure.h"
#include "architecture.h"

static u64 length(const char *text) {
  u64 count = 0;
  while (text[count] != 0) count++;
  return count;
}

static void say(const char *text) { syscall6(SYS_write, STDERR, (long)text, (long)length(text), 0, 0, 0); }

_Noreturn void give_up(enum failure failure, const char *sentence, long error) {
  char digits[24];
  char *first = &digits[sizeof digits - 1];
  *first = 0;
  u64 number = (u64)-error;
  do {
    *--first = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);

  say("attune-sensor-agent: could not start: ");
  say(sentence);
  say(" (errno ");
  say(first);
  say(")\n");
  for (;;) syscall6(SYS_exit_group, failure, 0, 0, 0, 0, 0);
}
