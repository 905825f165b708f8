/** What the build and the tests call, beside the services: each of them asks for its own; a whole run has them all at the start. */
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

export const smallImages: Requirement = {
  name: "what the small images consist of",
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
    // One file of each package that no other one asks for.
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

/** Of nearly every test. */
export const usual: readonly Requirement[] = [
  ...compilers,
  // Also beside servers given by URL: tests stop and crash servers of their own.
  postgresql,
  rabbitmq,
  program("Python", ["python3"], "python3"),
  {
    name: "Python's virtual environments",
    packages: ["python3-venv"],
    isInstalled: () => spawnSync("python3", ["-c", "import ensurepip"]).status === 0,
  },
  program("Ruby", ["ruby"], "ruby"),
  {
    name: "PgBouncer",
    packages: ["pgbouncer"],
    isInstalled: () => existsSync("/usr/sbin/pgbouncer"),
  },
  program("OpenSSL", ["openssl"], "openssl"),
  program("busybox", ["busybox-static"], "busybox"),
  // Also for `docker top`. Debian's RabbitMQ brings it along, another one does not.
  program("ps", ["procps"], "ps"),
];

/** Of those on how it is deployed. */
export const deployment: readonly Requirement[] = [systemd, dockerCompose, prometheus];

/** Of those in containers. */
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
