/* arm64: how to call the kernel, and how control enters and leaves the stub. */
#ifndef ARCHITECTURE_H
#define ARCHITECTURE_H

#define SYS_dup 23
#define SYS_ioctl 29
#define SYS_openat 56
#define SYS_close 57
#define SYS_write 64
#define SYS_exit_group 94
#define SYS_kill 129
#define SYS_rt_sigaction 134
#define SYS_rt_sigprocmask 135
#define SYS_rt_sigtimedwait 137
#define SYS_setpgid 154
#define SYS_prctl 167
#define SYS_getpid 172
#define SYS_munmap 215
#define SYS_clone 220
#define SYS_mmap 222
#define SYS_mprotect 226
#define SYS_wait4 260
#define SYS_memfd_create 279

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory", "cc");
  return x0;
}

/*
 * enter: the kernel jumps here with the stack pointer at argc. The loader expects exactly that stack.
 * resume: the loader jumps here as if it were the program's entry, with the address of a function to be
 * run at exit in x0, which belongs to the program and must be preserved. `hint #34` is `bti c`, a landing pad,
 * which some kernels enforce. A jump through x16 may reach one.
 */
#define ENTRY_POINTS                                                                                  \
  __asm__(".section .text.entry, \"ax\"\n"                                                            \
          ".hidden resume\n"                                                                          \
          ".globl enter, resume\n"                                                                    \
          "enter:\n"                                                                                  \
          "  hint #34\n"                                                                              \
          "  mov x0, sp\n"                                                                            \
          "  bl prepare\n"                                                                            \
          "  mov x16, x0\n"                                                                           \
          "  mov x0, #0\n"                                                                            \
          "  br x16\n"                                                                                \
          "resume:\n"                                                                                 \
          "  hint #34\n"                                                                              \
          "  stp x0, x30, [sp, #-16]!\n"                                                              \
          "  bl finish\n"                                                                             \
          "  mov x16, x0\n"                                                                           \
          "  ldp x0, x30, [sp], #16\n"                                                                \
          "  br x16\n"                                                                                \
          ".text\n")

#endif
