/** Changing the encryption key, on a real PostgreSQL. */
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { KeyCipher } from "../../src/keys/key-cipher.ts";
import { KeyRotation } from "../../src/keys/key-rotation.ts";
import { KeyStore } from "../../src/keys/key-store.ts";
import { systemClock } from "../../src/time/clock.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const former = "a-former-key-of-at-least-32-bytes-yyyyy";
const present = "a-present-key-of-at-least-32-bytes-xxxx";
const all = { sensorRef: null };

function storeWith(database: Database, current: string | undefined, previous?: string): KeyStore {
  const cipher = current === undefined ? undefined : new KeyCipher(current, previous);
  return new KeyStore(database, (work) => work(database), cipher);
}

const refs = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `key.${index}`);

async function fill(store: KeyStore, count: number): Promise<void> {
  for (const ref of refs(count)) {
    await store.create(all, {
      ref,
      localRef: ref,
      ownerType: "system",
      ownerRef: null,
      name: "",
      value: `value of ${ref}`,
      isEncrypted: true,
    });
  }
}

async function rotate(stores: readonly KeyStore[], until: () => Promise<void>) {
  const { logger, lines } = recordingLogger();
  const ending = new AbortController();
  const rotations = stores.map(
    (store) => new KeyRotation({ store, hasKey: true, clock: systemClock, logger, random: Math.random }),
  );
  const runs = rotations.map((rotation) => rotation.run(ending.signal));
  await until();
  ending.abort();
  await Promise.all(runs);
  return { lines, unreadable: rotations.map(({ unreadable }) => unreadable) };
}

test("agents encrypt all values with the new key, and each value stays what it is", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await fill(storeWith(database, former), 120);
  const [before] = await query<{ updated: Date }>(database, "select max(updated) as updated from key");
  const store = storeWith(database, present, former);
  const { currentName } = new KeyCipher(present, undefined);
  const left = async (): Promise<number> =>
    (
      await query<{ count: number }>(database, "select count(*)::int from key where encryption_key <> $1", [
        currentName,
      ])
    )[0]?.count ?? -1;

  const { lines } = await rotate([store, storeWith(database, present, former)], () =>
    expect.poll(left, { timeout: 20_000 }).toBe(0),
  );

  const withoutPrevious = storeWith(database, present);
  for (const ref of refs(120)) {
    expect(await withoutPrevious.read(all, ref)).toMatchObject({ value: `value of ${ref}` });
  }
  expect(await query(database, "select max(updated) as updated from key")).toEqual([before]);
  expect(JSON.stringify(lines)).not.toContain("value of");
});

test("values that no key decrypts are counted, said once, and hold up no others", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await fill(storeWith(database, former), 60);
  // Given to another owner by hand: it does not decrypt any more.
  await query(database, "update key set ref = 'moved.' || ref where id <= (select min(id) + 50 from key)");
  const [foreign] = refs(1);
  await query(database, "delete from key where ref = $1", [`moved.${foreign}`]);
  const lost = storeWith(database, "a-lost-key-of-at-least-32-bytes-zzzzzzz");
  await fill(lost, 1);
  const store = storeWith(database, present, former);

  const { lines, unreadable } = await rotate([store], async () => {
    await expect.poll(async () => (await store.read(all, "key.59"))?.value).toBe("value of key.59");
    await expect
      .poll(
        () =>
          query(database, "select from key where encryption_key = $1", [
            new KeyCipher(present, undefined).currentName,
          ]),
        {
          timeout: 20_000,
        },
      )
      .toHaveLength(9);
    await expect.poll(() => store.countUnreadable()).toBe(1);
  });

  expect(unreadable).toEqual([1]);
  expect(lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  await expect(store.read(all, "moved.key.7")).rejects.toMatchObject({ code: "KEY_UNREADABLE" });
  await expect(store.read(all, "key.0")).rejects.toMatchObject({ code: "KEY_UNREADABLE" });
});

test("without a key nothing is read or written, and the setting is named", async () => {
  await using fresh = await freshDatabase();
  const store = storeWith(fresh.database, undefined);

  for (const call of [() => store.read(all, "key.0"), () => fill(store, 1)]) {
    await expect(call()).rejects.toMatchObject({
      code: "ENCRYPTION_KEY_MISSING",
      message: expect.stringContaining("security.encryption_key"),
    });
  }
});
