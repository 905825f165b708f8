/** The programs that the build and the tests call: installed where that is possible, else said and left to fail. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { ownArchitecture } from "../../build/architecture.ts";
import { requireInstalled, type Requirement } from "../services/debian-packages.ts";
import { postgresql } from "../services/postgres-cluster.ts";
import { rabbitmq } from "../services/rabbitmq.ts";

export async function providePrograms(): Promise<void> {
  for (const requirement of requirements()) {
    await requireInstalled(requirement).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  }
}

function requirements(): readonly Requirement[] {
  const programs: readonly Requirement[] = [
    // Also beside servers given by URL: tests stop and crash servers of their own.
    postgresql,
    rabbitmq,
    { name: "Python", packages: ["python3"], isInstalled: () => isOnPath("python3") },
    { name: "Ruby", packages: ["ruby"], isInstalled: () => isOnPath("ruby") },
    { name: "busybox", packages: ["busybox-static"], isInstalled: () => isOnPath("busybox") },
  ];
  if (ownArchitecture === undefined) return programs;
  const { debianPackages, toolPrefix } = ownArchitecture;
  return [
    { name: "the compiler", packages: debianPackages, isInstalled: () => isOnPath(`${toolPrefix}gcc`) },
    {
      name: "the headers of C programs that tests compile",
      packages: ["libc6-dev"],
      isInstalled: () => existsSync("/usr/include/stdio.h"),
    },
    ...programs,
  ];
}

function isOnPath(program: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => existsSync(join(folder, program)));
}
