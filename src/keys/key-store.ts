/**
 * Values that sensors and packs keep on the platform, encrypted at rest.
 *
 * A value exists in the clear only between the request that brings it and its encryption, and between its decryption and the
 * answer. It is in no error and no log line.
 */
import type { Database, Queryable } from "../database/database.ts";
import { readPage, type Page, type PageRequest } from "../database/page.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  changeKey,
  createKey,
  deleteKey,
  findWebhookOutside,
  listKeys,
  lockFormerKeys,
  readKey,
  replaceSealedValue,
  countUnreadableKeys,
  type KeyEntry,
  type KeyFilter,
  type KeyOrder,
  type KeyOwnerType,
  type KeyScope,
} from "../database/statements/keys.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Id } from "../model/identifiers.ts";
import type { JsonValue } from "../model/json/json.ts";
import type { KeyCipher, KeyPlace } from "./key-cipher.ts";

export interface KeyWithValue extends KeyEntry {
  readonly value: JsonValue;
}

export interface KeyToCreate {
  readonly ref: string;
  readonly localRef: string;
  readonly ownerType: KeyOwnerType;
  readonly ownerRef: string | null;
  readonly name: string;
  readonly value: JsonValue;
  readonly isEncrypted: boolean;
}

export interface KeyUpdate {
  readonly value: JsonValue;
  /** Null: as it is. */
  readonly name: string | null;
  readonly isEncrypted: boolean | null;
}

export type CreateKeyOutcome =
  | { readonly kind: "created"; readonly key: KeyEntry }
  | { readonly kind: "taken" }
  /** There is no such owner, or its keys are none of the caller's business. */
  | { readonly kind: "unusable-owner" }
  /** A webhook outside the sensor's pack names it. */
  | { readonly kind: "expected" }
  | { readonly kind: "full"; readonly keysMax: number };

export type ChangeKeyOutcome =
  | { readonly kind: "changed"; readonly key: KeyEntry }
  /** There is no such key, or not for this caller. */
  | { readonly kind: "unknown" }
  /** A sensor created the key and could read the value, and this rule's or trigger's webhook outside its pack names it. */
  | { readonly kind: "readable"; readonly ownerRef: string | null; readonly webhookRef: string };

export interface RotatedKeys {
  readonly count: number;
  readonly lastId: Id;
}

const keysOfOwnerMax = 1_000;

export class KeyStore {
  readonly #database: Database;
  /** Reads within one snapshot; bounded in number and time. */
  readonly #read: <T>(work: (rows: Queryable) => Promise<T>) => Promise<T>;
  readonly #cipher: KeyCipher | undefined;

  /** @param cipher undefined: no encryption key is configured */
  constructor(
    database: Database,
    read: <T>(work: (rows: Queryable) => Promise<T>) => Promise<T>,
    cipher: KeyCipher | undefined,
  ) {
    this.#database = database;
    this.#read = read;
    this.#cipher = cipher;
  }

  /** @throws OperatorError ENCRYPTION_KEY_MISSING, as do the others */
  async list(order: KeyOrder, request: KeyFilter & PageRequest): Promise<Page<KeyEntry>> {
    this.#demandCipher();
    return this.#read((rows) => readPage(rows, listKeys(order), request));
  }

  /**
   * Undefined: there is no such key, or not for this caller.
   *
   * @throws OperatorError KEY_UNREADABLE when none of the configured keys decrypts the value
   */
  async read(scope: KeyScope, ref: string): Promise<KeyWithValue | undefined> {
    const cipher = this.#demandCipher();
    const key = await this.#read((rows) => rowOf(rows, readKey, { ...scope, ref }));
    if (key === undefined) return undefined;
    const opened = cipher.open(key, key);
    if (opened === undefined) throw unreadable(key);
    return { ...key, value: opened.value };
  }

  async create(scope: KeyScope, key: KeyToCreate): Promise<CreateKeyOutcome> {
    const sealed = this.#demandCipher().seal(key, key.value);
    const { value: _value, ...columns } = key;
    const row = { ...columns, ...sealed, ...scope, keysOfOwnerMax };
    const outcome = await rowOf(this.#database, createKey, row);
    if (outcome?.created) return { kind: "created", key: outcome.created };
    if (outcome?.isOwnerUsable !== true) return { kind: "unusable-owner" };
    if (outcome.isExpected) return { kind: "expected" };
    return outcome.hasRoom ? { kind: "taken" } : { kind: "full", keysMax: keysOfOwnerMax };
  }

  async change(scope: KeyScope, ref: string, update: KeyUpdate): Promise<ChangeKeyOutcome> {
    const cipher = this.#demandCipher();
    const known = await this.#read((rows) => rowOf(rows, readKey, { ...scope, ref }));
    if (known === undefined) return { kind: "unknown" };
    const { creatorPackRef: packRef, ownerRef } = known;
    if (scope.sensorRef === null && packRef !== null) {
      const webhookRef = await this.#read((rows) => rowOf(rows, findWebhookOutside, { ref, packRef }));
      if (webhookRef !== undefined) return { kind: "readable", ownerRef, webhookRef };
    }
    const { value, ...columns } = update;
    const change = { ...columns, ...cipher.seal(known, value), ...scope, ref };
    const key = await rowOf(this.#database, changeKey, change);
    return key === undefined ? { kind: "unknown" } : { kind: "changed", key };
  }

  /** @returns whether there was such a key for this caller */
  async delete(scope: KeyScope, ref: string): Promise<boolean> {
    return (await rowOf(this.#database, deleteKey, { ...scope, ref })) !== undefined;
  }

  /** How many values none of the configured keys decrypts. */
  async countUnreadable(): Promise<number> {
    return (await rowOf(this.#database, countUnreadableKeys, this.#cipher?.names ?? [])) ?? 0;
  }

  /**
   * Encrypts some values anew that are encrypted with the previous key, in one transaction.
   *
   * @param afterId of the last key looked at before; "0" to begin
   * @returns undefined: none is left, or another agent is at it
   */
  async rotateSome(afterId: Id, countMax: number): Promise<RotatedKeys | undefined> {
    const cipher = this.#demandCipher();
    const formerNames = cipher.names.filter((name) => name !== cipher.currentName);
    if (formerNames.length === 0) return undefined;
    return this.#database.transaction(async (transaction) => {
      const keys = await rowsOf(transaction, lockFormerKeys, { formerNames, afterId, countMax });
      const last = keys.at(-1);
      if (last === undefined) return undefined;
      let count = 0;
      for (const key of keys) {
        const opened = cipher.open(key, key);
        // Damaged, or moved to another owner: useless, but a new name must not hide that.
        if (opened === undefined) continue;
        await rowsOf(transaction, replaceSealedValue, { id: key.id, ...cipher.seal(key, opened.value) });
        count += 1;
      }
      return { count, lastId: last.id };
    });
  }

  #demandCipher(): KeyCipher {
    if (this.#cipher !== undefined) return this.#cipher;
    throw new OperatorError({
      code: "ENCRYPTION_KEY_MISSING",
      attempt: "use the key store",
      reason: "security.encryption_key is not set",
      remedy:
        "set security.encryption_key to the same text on all agents, for example the output of: openssl rand -hex 32",
    });
  }
}

function unreadable({ ref }: KeyPlace): OperatorError {
  return new OperatorError({
    code: "KEY_UNREADABLE",
    attempt: `decrypt the key ${ref}`,
    reason: "neither security.encryption_key nor security.encryption_key_previous decrypts it",
    remedy: "set security.encryption_key_previous to the key that was used before, or write the value anew",
  });
}
