/** Programs that the build and the tests need besides the services. Each test requests its own; a full run installs all at the start. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { architectures, ownArchitecture } from "../../build/architecture.ts";
import type { Requirement } from "../services/debian-packages.ts";
import { dockerCompose, dockerRequirements } from "../services/docker.ts";
import { postgresql } from "../services/postgres-cluster.ts";
import { rabbitmq } from "../services/rabbitmq.ts";

export const systemd: Requirement = {
  name: "systemd",
  packages: ["systemd"],
  isInstalled: () => existsSync("/usr/bin/systemd-analyze"),
};

export const prometheus: Requirement = {
  name: "Prometheus",
  packages: ["prometheus"],
  isInstalled: () => existsSync("/usr/bin/promtool") && existsSync("/usr/bin/prometheus"),
};

export const chromium: Requirement = {
  name: "Chromium",
  packages: ["chromium"],
  isInstalled: () => existsSync("/usr/bin/chromium"),
};

export const smallImages: Requirement = {
  name: "the contents of the small test images",
  packages: ["busybox-static", "musl"],
  isInstalled: () => existsSync("/bin/busybox") && existsSync("/lib/x86_64-linux-musl/libc.so"),
};

export const debootstrap: Requirement = {
  name: "debootstrap",
  packages: ["debootstrap"],
  isInstalled: () => existsSync("/usr/sbin/debootstrap"),
};

export const arm64Emulator = "/usr/bin/qemu-aarch64-static";

export const arm64Build: Requirement = {
  name: "what the build for arm64 needs",
  packages: [...architectures.arm64.debianPackages, "qemu-user-static"],
  isInstalled: () =>
    // One file of each package that no other package depends on.
    [
      "/usr/bin/aarch64-linux-gnu-gcc",
      arm64Emulator,
      "/usr/lib/aarch64-linux-gnu/libstdc++.so.6",
      "/usr/lib/aarch64-linux-gnu/libatomic.so.1",
    ].every((file) => existsSync(file)),
};

const compilers: readonly Requirement[] = [
  ...(ownArchitecture === undefined
    ? []
    : [program("the compiler", ownArchitecture.debianPackages, `${ownArchitecture.toolPrefix}gcc`)]),
  {
    name: "the headers of C programs that tests compile",
    packages: ["libc6-dev"],
    isInstalled: () => existsSync("/usr/include/stdio.h"),
  },
];

/** Needed by nearly every test. */
export const usual: readonly Requirement[] = [
  ...compilers,
  // Needed even if servers are given by URL, because some tests stop and crash their own.
  postgresql,
  rabbitmq,
  program("Python", ["python3"], "python3"),
  {
    name: "Python's virtual environments",
    packages: ["python3-venv"],
    isInstalled: () => spawnSync("python3", ["-c", "import ensurepip"]).status === 0,
  },
  program("Ruby", ["ruby"], "ruby"),
  // Debian's perl-base has no json_pp, and not all core modules.
  program("Perl with its core modules", ["perl"], "json_pp"),
  {
    name: "PgBouncer",
    packages: ["pgbouncer"],
    isInstalled: () => existsSync("/usr/sbin/pgbouncer"),
  },
  program("OpenSSL", ["openssl"], "openssl"),
  program("busybox", ["busybox-static"], "busybox"),
  // Also needed for `docker top`. Debian's RabbitMQ depends on it, but others do not.
  program("ps", ["procps"], "ps"),
];

/** Needed by the tests of the page. */
export const browser: readonly Requirement[] = [chromium];

/** Needed by tests of deployments. */
export const deployment: readonly Requirement[] = [systemd, dockerCompose, prometheus];

/** Needed by tests in containers. */
export const containers: readonly Requirement[] = [
  ...dockerRequirements,
  smallImages,
  debootstrap,
  arm64Build,
];

function program(name: string, packages: readonly string[], file: string): Requirement {
  return { name, packages, isInstalled: () => isOnPath(file) };
}

function isOnPath(file: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => existsSync(join(folder, file)));
}
