import { expect, test } from "vitest";
import type { Config } from "../../../src/config/schema.ts";
import { checkKeys } from "../../../src/diagnosis/checks/key-check.ts";
import { KeyCipher } from "../../../src/keys/key-cipher.ts";
import { KeyStore } from "../../../src/keys/key-store.ts";
import { freshDatabase } from "../../support/postgres.ts";

const present = "a-present-key-of-at-least-32-bytes-xxxx";
const former = "a-former-key-of-at-least-32-bytes-yyyyy";

test("values that the configured keys do not decrypt are wrong, with what to set", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const store = new KeyStore(database, (work) => work(database), new KeyCipher(former, undefined));
  await store.create(
    { sensorRef: null },
    {
      ref: "a",
      localRef: "a",
      ownerType: "system",
      ownerRef: null,
      name: "",
      value: "secret",
      isEncrypted: true,
    },
  );
  const check = (security: Partial<Config["security"]>) =>
    checkKeys({ security, data_dir: "/nowhere" } as Config, { kind: "postgresql", rows: database });

  expect(await check({ encryption_key: former })).toEqual([]);
  expect(await check({ encryption_key: present, encryption_key_previous: former })).toEqual([]);
  expect(await check({ encryption_key: present })).toMatchObject([
    {
      state: "wrong",
      subject: "keys",
      detail: expect.stringContaining("1 value"),
      remedy: expect.stringContaining("security.encryption_key_previous"),
    },
  ]);
  expect(await check({})).toMatchObject([
    { remedy: expect.stringMatching(/^set security\.encryption_key to the key/) },
  ]);
});
