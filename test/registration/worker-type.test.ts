import { expect, test } from "vitest";
import { workerType, type ContainerSigns } from "../../src/registration/worker-type.ts";

const bareMachine: ContainerSigns = {
  environment: {},
  exists: () => false,
  read: () => "0::/system.slice/attune.service",
};

test.each<[string, Partial<ContainerSigns>]>([
  ["Docker's file", { exists: (path) => path === "/.dockerenv" }],
  ["Podman's file", { exists: (path) => path === "/run/.containerenv" }],
  ["Kubernetes' variable", { environment: { KUBERNETES_SERVICE_HOST: "10.0.0.1" } }],
  ["systemd's variable", { environment: { container: "lxc" } }],
  ["Docker's group", { read: () => "12:pids:/docker/3a1f\n0::/docker/3a1f" }],
  ["Kubernetes' group", { read: () => "4:memory:/kubepods/burstable/pod1/2" }],
])("%s makes it a container", (_, sign) => {
  expect(workerType({ ...bareMachine, ...sign })).toBe("container");
});

test("a machine without a sign is local, also without /proc", () => {
  expect(workerType(bareMachine)).toBe("local");
  expect(workerType({ ...bareMachine, read: () => undefined })).toBe("local");
});
