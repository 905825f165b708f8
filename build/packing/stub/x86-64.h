/* x86-64: how to call the kernel, and how control enters and leaves the stub. */
#ifndef ARCHITECTURE_H
#define ARCHITECTURE_H

#define SYS_write 1
#define SYS_close 3
#define SYS_mmap 9
#define SYS_mprotect 10
#define SYS_munmap 11
#define SYS_rt_sigaction 13
#define SYS_rt_sigprocmask 14
#define SYS_ioctl 16
#define SYS_dup 32
#define SYS_getpid 39
#define SYS_clone 56
#define SYS_wait4 61
#define SYS_kill 62
#define SYS_setpgid 109
#define SYS_rt_sigtimedwait 128
#define SYS_prctl 157
#define SYS_exit_group 231
#define SYS_openat 257
#define SYS_memfd_create 319

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/*
 * enter: the kernel jumps here with the stack pointer at argc. The loader expects exactly that stack.
 * resume: the loader jumps here as if it were the program's entry, with the address of a function to be
 * run at exit in rdx, which belongs to the program and must be preserved.
 */
#define ENTRY_POINTS                                                                                  \
  __asm__(".section .text.entry, \"ax\"\n"                                                            \
          ".hidden resume\n"                                                                          \
          ".globl enter, resume\n"                                                                    \
          "enter:\n"                                                                                  \
          "  mov %rsp, %rdi\n"                                                                        \
          "  mov %rsp, %rbx\n"                                                                        \
          "  and $-16, %rsp\n"                                                                        \
          "  call prepare\n"                                                                          \
          "  mov %rbx, %rsp\n"                                                                        \
          "  xor %edx, %edx\n"                                                                        \
          "  jmp *%rax\n"                                                                             \
          "resume:\n"                                                                                 \
          "  push %rdx\n"                                                                             \
          "  sub $8, %rsp\n"                                                                          \
          "  call finish\n"                                                                           \
          "  add $8, %rsp\n"                                                                          \
          "  pop %rdx\n"                                                                              \
          "  jmp *%rax\n"                                                                             \
          ".text\n")

#endif
