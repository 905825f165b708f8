/*
 * The first process of a container has two duties that no other has. The kernel hands it every orphan, to
 * be waited for when it ends; and signals that it has no handler for do not reach it at all. Node does
 * neither wait for strangers nor promise a handler at every moment. So process 1 remains here, does only
 * this, and a child goes on to become Node:
 *
 *   - Every signal is blocked before the fork: a blocked signal stays pending, also for process 1, so one
 *     that arrives before the child exists is forwarded as soon as it does.
 *   - Every signal but SIGCHLD goes to the child, and to nobody else: what the child started has process
 *     groups of its own, and the child decides what becomes of them.
 *   - The child leads a process group of its own, in the terminal's foreground if there is a terminal. Were
 *     it in ours, Ctrl-C would reach it twice, once from the terminal and once from here.
 *   - The child's end is ours, with its exit code, or 128 and the number of the signal. The kernel then kills
 *     whatever is left in the container.
 *
 * Elsewhere, as under `docker run --init`, systemd or a shared process namespace, somebody else is init and
 * orphans go there. The agent does not ask to be their reaper (PR_SET_CHILD_SUBREAPER): the process that
 * would get them is Node, which does not wait for them.
 */
#include "init.h"
#include "architecture.h"
#include "failure.h"

static const u64 every_signal = ~0UL;

static void end_as(int status) {
  int signal = status & 0x7f;
  for (;;) syscall6(SYS_exit_group, signal != 0 ? 128 + signal : (status >> 8) & 0xff, 0, 0, 0, 0, 0);
}

/* Waits for all who have ended; returns if the child is not among them. */
static void reap(long child) {
  for (;;) {
    int status = 0;
    long ended = syscall6(SYS_wait4, -1, (long)&status, WNOHANG | WALL, 0, 0, 0);
    if (ended <= 0) return;
    if (ended == child) end_as(status);
  }
}

static _Noreturn void be_init(long child) {
  syscall6(SYS_prctl, PR_SET_NAME, (long)"attune-init", 0, 0, 0, 0);
  for (;;) {
    long signal = syscall6(SYS_rt_sigtimedwait, (long)&every_signal, 0, 0, SIGNAL_SET_BYTES, 0, 0);
    if (signal > 0 && signal != SIGCHLD) syscall6(SYS_kill, child, signal, 0, 0, 0, 0);
    reap(child);
  }
}

static void lead_own_group(void) {
  syscall6(SYS_setpgid, 0, 0, 0, 0, 0, 0);
  /* Without a terminal this fails, which is fine. SIGTTOU, which it would raise, is still blocked. */
  int group = (int)syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0);
  syscall6(SYS_ioctl, STDIN, TIOCSPGRP, (long)&group, 0, 0, 0);
}

void leave_process_1(void) {
  if (syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0) != 1) return;

  u64 mask_before = 0;
  syscall6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&every_signal, (long)&mask_before, SIGNAL_SET_BYTES, 0, 0);
  /* Whoever started us may have left SIGCHLD ignored; then the kernel would announce no child's end. */
  const u64 default_action[4] = {0, 0, 0, 0};
  syscall6(SYS_rt_sigaction, SIGCHLD, (long)default_action, 0, SIGNAL_SET_BYTES, 0, 0);

  long child = syscall6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
  if (child < 0)
    give_up(NO_FORK, "as the first process of this container it must start a second one, and may not; raise the "
                     "limit on processes", child);
  if (child > 0) be_init(child);

  lead_own_group();
  syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask_before, 0, SIGNAL_SET_BYTES, 0, 0);
}
