/** The key store, with the encryption key that the configuration gives or an embedded installation makes. */
import type { Keys } from "../api/routes/keys.ts";
import type { Database } from "../database/database.ts";
import { explainingDatabaseFailures } from "../database/explain-failure.ts";
import type { SnapshotReads } from "../database/snapshot-reads.ts";
import { KeyCipher } from "../keys/key-cipher.ts";
import { KeyRotation } from "../keys/key-rotation.ts";
import { KeyStore } from "../keys/key-store.ts";
import { ownEncryptionKey } from "../keys/own-encryption-key.ts";
import type { Config } from "../config/schema.ts";
import type { ServiceContext } from "./service-context.ts";

export interface OpenedKeys {
  readonly keys: Keys;
  /** Values that no configured key decrypts, as last counted. */
  readonly unreadableCount: () => number;
}

export async function openKeys(
  { options, lifetime, clock, random }: ServiceContext,
  database: Database,
  reads: SnapshotReads,
): Promise<OpenedKeys> {
  const { config, logger } = options;
  const cipher = await configuredCipher(config, database.kind);
  const store = new KeyStore(database, (work) => reads.read(work), cipher);
  const rotation = new KeyRotation({ store, hasKey: cipher !== undefined, clock, logger, random });
  lifetime.run((signal) => rotation.run(signal));
  const explained = <T>(work: () => Promise<T>): Promise<T> =>
    explainingDatabaseFailures(`use the key store in the database at ${database.address}`, work);
  return {
    keys: {
      list: (order, request) => explained(() => store.list(order, request)),
      read: (scope, ref) => explained(() => store.read(scope, ref)),
      create: (scope, key) => explained(() => store.create(scope, key)),
      change: (scope, ref, update) => explained(() => store.change(scope, ref, update)),
      delete: (scope, ref) => explained(() => store.delete(scope, ref)),
    },
    unreadableCount: () => rotation.unreadable,
  };
}

/** Undefined: agents that share a database must be given the key, so that all have the same. */
async function configuredCipher(
  { security, data_dir: dataDirectory }: Config,
  databaseKind: Database["kind"],
): Promise<KeyCipher | undefined> {
  const { encryption_key: configured, encryption_key_previous: previous } = security;
  if (configured !== undefined) return new KeyCipher(configured, previous);
  if (databaseKind !== "embedded") return undefined;
  return new KeyCipher(await ownEncryptionKey(dataDirectory), previous);
}
