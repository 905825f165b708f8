/**
 * Rows of the key store. Values come and go encrypted; src/keys/ has the keys to them.
 *
 * Every statement that names one key takes the caller's scope, and finds no row outside it.
 */
import type { Id } from "../../model/identifiers.ts";
import { listStatements, type ListStatements } from "../page.ts";
import { noRows, type Row, type Statement } from "../statement.ts";

export const keyOwnerTypes = ["system", "pack", "sensor"] as const;

export type KeyOwnerType = (typeof keyOwnerTypes)[number];

/** The sensor whose own keys, and whose pack's, may be used; null: all keys. */
export interface KeyScope {
  readonly sensorRef: string | null;
}

export interface KeyEntry {
  readonly id: Id;
  readonly ref: string;
  readonly localRef: string;
  readonly name: string;
  readonly ownerType: KeyOwnerType;
  /** Of the pack or the sensor; null for `system`. */
  readonly ownerRef: string | null;
  /** Of the sensor that created it; null: an admin did. */
  readonly creatorPackRef: string | null;
  readonly isEncrypted: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface SealedKey extends KeyEntry {
  readonly sealed: Buffer;
  readonly encryptionKey: string;
}

/** SQL for the pack of the sensor that created a key; null: an admin did. A sensor's token creates keys for the sensor and for its pack. */
export const creatorPack = `case when key.created_by_sensor
                then coalesce(key.owner_pack_ref, (select pack_ref from sensor where sensor.id = key.owner_sensor)) end`;

const columns = `key.id, key.ref, key.local_ref, key.name, key.owner_type,
           coalesce(key.owner_pack_ref, key.owner_sensor_ref) as owner_ref, ${creatorPack} as creator_pack_ref,
           key.encrypted, key.created, key.updated`;

const sealedColumns = `${columns}, encode(key.value, 'base64') as sealed, key.encryption_key`;

/** Whether the row is within the scope of a sensor, a parameter that may be null. */
const isInScope = (sensor: string): string => `(${sensor}::text is null
            or (key.owner_type = 'sensor' and key.owner_sensor_ref = ${sensor})
            or (key.owner_type = 'pack'
                and key.owner_pack_ref = (select pack_ref from sensor where sensor.ref = ${sensor})))`;

function keyEntry(row: Row): KeyEntry {
  return {
    id: row.id("id"),
    ref: row.text("ref"),
    localRef: row.text("local_ref"),
    name: row.text("name"),
    ownerType: row.word("owner_type", keyOwnerTypes),
    ownerRef: row.textOrNull("owner_ref"),
    creatorPackRef: row.textOrNull("creator_pack_ref"),
    isEncrypted: row.boolean("encrypted"),
    createdAt: row.instant("created"),
    updatedAt: row.instant("updated"),
  };
}

function sealedKey(row: Row): SealedKey {
  return {
    ...keyEntry(row),
    sealed: Buffer.from(row.text("sealed"), "base64"),
    encryptionKey: row.text("encryption_key"),
  };
}

/** Null: any. */
export interface KeyFilter extends KeyScope {
  readonly ownerType: KeyOwnerType | null;
  readonly ownerRef: string | null;
}

export const keyOrders = ["id", "-id", "ref", "-ref", "updated", "-updated"] as const;

export type KeyOrder = (typeof keyOrders)[number];

/** Without their values. */
export function listKeys(order: KeyOrder): ListStatements<KeyFilter, KeyEntry> {
  return listStatements(
    {
      name: "keys",
      columns,
      from: "key",
      matching: `${isInScope("$1")}
       and ($2::text is null or key.owner_type = $2)
       and ($3::text is null or coalesce(key.owner_pack_ref, key.owner_sensor_ref) = $3)`,
      valueCount: 3,
      values: ({ sensorRef, ownerType, ownerRef }) => [sensorRef, ownerType, ownerRef],
      decode: keyEntry,
    },
    order,
  );
}

/** No row: there is no such key, or not for this caller. */
export const readKey: Statement<KeyScope & { readonly ref: string }, SealedKey> = {
  name: "read_key",
  text: `
    select ${sealedColumns}
      from key
     where key.ref = $1
       and ${isInScope("$2")}`,
  values: ({ ref, sensorRef }) => [ref, sensorRef],
  decode: sealedKey,
};

export interface NewKey extends KeyScope {
  readonly ref: string;
  readonly localRef: string;
  readonly name: string;
  readonly ownerType: KeyOwnerType;
  readonly ownerRef: string | null;
  readonly isEncrypted: boolean;
  readonly sealed: Buffer;
  readonly encryptionKey: string;
  /** Keys that one owner may have. */
  readonly keysOfOwnerMax: number;
}

export interface KeyCreation {
  /** The owner exists and the caller may create keys for it. */
  readonly isOwnerUsable: boolean;
  readonly hasRoom: boolean;
  /** A sensor asks, and a webhook of others expects a secret under the ref. */
  readonly isExpected: boolean;
  /** Null: nothing was inserted. If nothing else speaks against it, the ref is taken. */
  readonly created: KeyEntry | null;
}

/**
 * Webhooks outside a pack that name a key, as `webhook` with their `pack_ref` and `settings`. Any text in the settings counts as
 * the ref of a key.
 */
const webhooksNaming = (key: string, outside: string): string => `
                       from (select ref, pack_ref, trigger_params as settings
                               from rule
                              where trigger_ref = 'core.webhook'
                              union all
                             select ref, pack_ref, webhook_config
                               from trigger
                              where webhook_config is not null) as webhook
                      where pack_ref is distinct from ${outside}
                        and jsonb_path_exists(settings, '$.** ? (@ == $ref)', jsonb_build_object('ref', ${key}::text))`;

/** Refs are free, so a sensor could take one that a webhook names whose key is yet to be created, and sign its requests. */
export const createKey: Statement<NewKey, KeyCreation> = {
  name: "create_key",
  text: `
    with owner as (
      select null::bigint as pack, null::bigint as sensor
       where $4 = 'system'
         and $10::text is null
       union all
      select pack.id, null
        from pack
       where $4 = 'pack'
         and pack.ref = $5
         and ($10::text is null or pack.ref = (select pack_ref from sensor where sensor.ref = $10))
       union all
      select null, sensor.id
        from sensor
       where $4 = 'sensor'
         and sensor.ref = $5
         and ($10::text is null or sensor.ref = $10)
    ), room as (
      select count(*) < $9 as has_room
        from key
       where owner_type = $4
         and coalesce(owner_pack_ref, owner_sensor_ref) is not distinct from $5
    ), expected as (
      select $10::text is not null
             and exists (select${webhooksNaming("$1", "(select pack_ref from sensor where sensor.ref = $10)")}
                    ) as is_expected
    ), created as (
      insert into key (ref, local_ref, name, owner_type, owner_pack, owner_pack_ref, owner_sensor,
                       owner_sensor_ref, encrypted, value, encryption_key, created_by_sensor)
      select $1, $2, $3, $4, owner.pack, case when $4 = 'pack' then $5 end, owner.sensor,
             case when $4 = 'sensor' then $5 end, $6, decode($7, 'base64'), $8, $10::text is not null
        from owner, room, expected
       where room.has_room
         and not expected.is_expected
      on conflict (ref) do nothing
      returning *
    )
    select exists (select from owner) as is_owner_usable, room.has_room, expected.is_expected, ${columns}
      from room
     cross join expected
      left join created as key on true`,
  values: (key) => [
    key.ref,
    key.localRef,
    key.name,
    key.ownerType,
    key.ownerRef,
    key.isEncrypted,
    key.sealed.toString("base64"),
    key.encryptionKey,
    key.keysOfOwnerMax,
    key.sensorRef,
  ],
  decode: (row) => ({
    isOwnerUsable: row.boolean("is_owner_usable"),
    hasRoom: row.boolean("has_room"),
    isExpected: row.boolean("is_expected"),
    created: row.idOrNull("id") === null ? null : keyEntry(row),
  }),
};

/** The first rule or trigger outside a pack whose webhook names a key. */
export const findWebhookOutside: Statement<{ readonly ref: string; readonly packRef: string }, string> = {
  name: "find_webhook_outside",
  text: `
    select webhook.ref${webhooksNaming("$1", "$2::text")}
     order by webhook.ref
     limit 1`,
  values: ({ ref, packRef }) => [ref, packRef],
  decode: (row) => row.text("ref"),
};

export interface KeyChange extends KeyScope {
  readonly ref: string;
  readonly sealed: Buffer;
  readonly encryptionKey: string;
  /** Null: as it is. */
  readonly name: string | null;
  readonly isEncrypted: boolean | null;
}

/** No row: there is no such key, or not for this caller. */
export const changeKey: Statement<KeyChange, KeyEntry> = {
  name: "change_key",
  text: `
    update key
       set value = decode($3, 'base64'),
           encryption_key = $4,
           name = coalesce($5, name),
           encrypted = coalesce($6, encrypted),
           updated = now()
     where key.ref = $1
       and ${isInScope("$2")}
    returning ${columns}`,
  values: ({ ref, sensorRef, sealed, encryptionKey, name, isEncrypted }) => [
    ref,
    sensorRef,
    sealed.toString("base64"),
    encryptionKey,
    name,
    isEncrypted,
  ],
  decode: keyEntry,
};

/** No row: there is no such key, or not for this caller. */
export const deleteKey: Statement<KeyScope & { readonly ref: string }, Id> = {
  name: "delete_key",
  text: `
    delete from key
     where key.ref = $1
       and ${isInScope("$2")}
    returning key.id`,
  values: ({ ref, sensorRef }) => [ref, sensorRef],
  decode: (row) => row.id("id"),
};

/**
 * Locks some values that are encrypted with one of the former keys, for the transaction. Of several agents one gets rows,
 * and the others none: only one takes the lock.
 */
export const lockFormerKeys: Statement<
  { readonly formerNames: readonly string[]; readonly afterId: Id; readonly countMax: number },
  SealedKey
> = {
  name: "lock_former_keys",
  text: `
    with turn as materialized (
      select pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.key', 0)) as is_ours
    )
    select ${sealedColumns}
      from key, turn
     where turn.is_ours
       and key.encryption_key = any ($1)
       and key.id > $2
     order by key.id
     limit $3
       for update of key skip locked`,
  values: ({ formerNames, afterId, countMax }) => [formerNames, afterId, countMax],
  decode: sealedKey,
};

/** Values encrypted anew; they have not changed, so `updated` stays. */
export const replaceSealedValue: Statement<
  { readonly id: Id; readonly sealed: Buffer; readonly encryptionKey: string },
  never
> = {
  name: "replace_sealed_value",
  text: `
    update key
       set value = decode($2, 'base64'),
           encryption_key = $3
     where id = $1`,
  values: ({ id, sealed, encryptionKey }) => [id, sealed.toString("base64"), encryptionKey],
  decode: noRows,
};

/** How many values are encrypted with none of these keys. */
export const countUnreadableKeys: Statement<readonly string[], number> = {
  name: "count_unreadable_keys",
  text: `
    select count(*)::int as count
      from key
     where encryption_key <> all ($1::text[])`,
  values: (names) => [names],
  decode: (row) => row.number("count"),
};
