/*
 * The first process of a container has two special duties. It must reap every orphan, and it receives only
 * signals for which it has a handler. Node neither reaps unknown children nor guarantees a handler at all times.
 * So process 1 stays here and does only this, while a child becomes Node:
 *
 *   - All signals are blocked before the fork. Blocked signals stay pending even for process 1, so a signal that
 *     arrives before the child exists is forwarded once it does.
 *   - All signals except SIGCHLD are forwarded to the child only. Programs that the child starts have their own
 *     process groups, which the child manages.
 *   - The child leads its own process group, in the terminal's foreground if there is a terminal. In our group,
 *     it would get Ctrl-C twice, from the terminal and from here.
 *   - When the child ends, process 1 ends with the same exit code, or 128 plus the number of the signal. The
 *     kernel then kills everything left in the container.
 *
 * Otherwise, for example under `docker run --init`, systemd or a shared process namespace, another process is init
 * and gets the orphans. The agent does not become a subreaper (PR_SET_CHILD_SUBREAPER), because the orphans would go
 * to Node, which does not reap them.
 */
#include "init.h"
#include "architecture.h"
#include "failure.h"

static const u64 every_signal = ~0UL;

static void end_as(int status) {
  int signal = status & 0x7f;
  for (;;) syscall6(SYS_exit_group, signal != 0 ? 128 + signal : (status >> 8) & 0xff, 0, 0, 0, 0, 0);
}

/* Reaps all ended processes; returns unless the child is among them. */
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
  /* This fails without a terminal, which is fine. It would raise SIGTTOU, which is still blocked. */
  int group = (int)syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0);
  syscall6(SYS_ioctl, STDIN, TIOCSPGRP, (long)&group, 0, 0, 0);
}

void leave_process_1(void) {
  if (syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0) != 1) return;

  u64 mask_before = 0;
  syscall6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&every_signal, (long)&mask_before, SIGNAL_SET_BYTES, 0, 0);
  /* SIGCHLD may have been inherited as ignored; then the kernel would not announce the end of children. */
  const u64 default_action[4] = {0, 0, 0, 0};
  syscall6(SYS_rt_sigaction, SIGCHLD, (long)default_action, 0, SIGNAL_SET_BYTES, 0, 0);

  long child = syscall6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
  if (child < 0)
    give_up(NO_FORK, "as the first process of this container it must start a second one, but cannot; raise the "
                     "limit on processes", child);
  if (child > 0) be_init(child);

  lead_own_group();
  syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask_before, 0, SIGNAL_SET_BYTES, 0, 0);
}
