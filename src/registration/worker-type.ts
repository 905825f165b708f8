/** Detects, as far as possible from inside, whether this process runs in a container. */
import { existsSync, readFileSync } from "node:fs";

export interface ContainerSigns {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly exists: (path: string) => boolean;
  /** Undefined when it cannot be read. */
  readonly read: (path: string) => string | undefined;
}

export function workerType({ environment, exists, read }: ContainerSigns): "container" | "local" {
  if (exists("/.dockerenv") || exists("/run/.containerenv")) return "container";
  // Kubernetes' own variable; `container` is what systemd-nspawn, podman and LXC set for PID 1.
  if (environment["KUBERNETES_SERVICE_HOST"] || environment["container"]) return "container";
  // With cgroup v1, the groups name the container engine.
  const groups = read("/proc/self/cgroup") ?? "";
  return /\/(docker|kubepods|libpod|lxc|containerd|cri-containerd|ecs)\b/.test(groups)
    ? "container"
    : "local";
}

export function signsOfThisMachine(environment: ContainerSigns["environment"]): ContainerSigns {
  return {
    environment,
    exists: existsSync,
    read(path) {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return undefined; // There is no /proc, or it is not readable.
      }
    },
  };
}
