/** A password of the broker that changes while messages are on their way. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openRabbitmq } from "../../src/messaging/rabbitmq/rabbitmq.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { outgoing } from "./conformance.ts";

test("messages published during a rotation are confirmed once the file has the new password", async () => {
  await using vhost = await freshVhost();
  const user = `rotated-${randomUUID()}`;
  const setPassword = (password: string) => vhost.manage("PUT", `/api/users/${user}`, { password, tags: "" });
  await setPassword("first-word");
  onTestFinished(() => vhost.manage("DELETE", `/api/users/${user}`).then(() => undefined));
  const everything = { configure: ".*", write: ".*", read: ".*" };
  await vhost.manage("PUT", `/api/permissions/{vhost}/${user}`, everything);
  const directory = mkdtempSync(join(tmpdir(), "attune-rotation-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const urlFile = join(directory, "url");
  const url = (password: string): string => {
    const { host, pathname } = new URL(vhost.url);
    return `amqp://${user}:${password}@${host}${pathname}`;
  };
  writeFileSync(urlFile, url("first-word"));
  await using transport = await openRabbitmq({ url: url("first-word"), urlFile, logger: silentLogger });
  await transport.connected(10_000);

  await setPassword("second-word");
  await vhost.manage("DELETE", `/api/connections/username/${user}`);
  await expect.poll(() => transport.health().state, { timeout: 20_000 }).toBe("down");
  const published = transport.publish(outgoing({ messageId: "during" }));
  await expect.poll(() => transport.health().detail, { timeout: 20_000 }).toMatch(/ACCESS_REFUSED/);
  writeFileSync(urlFile, `${url("second-word")}\n`);

  await published;
  expect(transport.health().state).toBe("up");
});
