/*
 * `nohup` starts a program with SIGHUP ignored, so that it survives the terminal. Node resets all signals to their
 * defaults before it runs any JavaScript, so the stub checks first and sets a variable (src/agent/hangup.ts).
 */
#include "hangup.h"
#include "architecture.h"

int ignores_hangup(void) {
  u64 action[4] = {0, 0, 0, 0}; /* the handler comes first */
  if (syscall6(SYS_rt_sigaction, SIGHUP, 0, (long)action, SIGNAL_SET_BYTES, 0, 0) != 0) return 0;
  return action[0] == SIG_IGN;
}
