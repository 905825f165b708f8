/** Identities, and the revocation of their tokens. */
import type { Id } from "../../model/identifiers.ts";
import { roles, type Role } from "../../model/identity/caller.ts";
import type { TokenFact, TokensInQuestion } from "../../model/identity/token-standing.ts";
import type { JsonObject } from "../../model/json/json.ts";
import { noRows, noValue, type Row, type Statement } from "../statement.ts";

export interface Identity {
  readonly id: Id;
  readonly login: string;
  readonly role: Role;
  readonly attributes: JsonObject;
  readonly tokenVersion: Id;
  /** Null: it cannot log in. */
  readonly passwordHash: string | null;
}

const identityColumns = "id, login, role, attributes, token_version, password_hash";

function decodeIdentity(row: Row): Identity {
  return {
    id: row.id("id"),
    login: row.text("login"),
    role: row.word("role", roles),
    attributes: row.jsonObject("attributes"),
    tokenVersion: row.id("token_version"),
    passwordHash: row.textOrNull("password_hash"),
  };
}

export const readIdentity: Statement<string, Identity> = {
  name: "read_identity",
  text: `
    select ${identityColumns}
      from identity
     where login = $1`,
  values: (login) => [login],
  decode: decodeIdentity,
};

export interface ServiceIdentity {
  readonly login: string;
  readonly role: Role;
  readonly attributes: JsonObject;
}

/**
 * Of a sensor or a service. Two agents may do so for the same one at once: both get the one row. An identity of that
 * name with another role stays as it is, and is not returned.
 */
export const saveServiceIdentity: Statement<ServiceIdentity, Identity> = {
  name: "save_service_identity",
  text: `
    insert into identity (login, role, attributes)
    values ($1, $2, $3)
    on conflict (login) do update
       set attributes = excluded.attributes
     where identity.role = excluded.role
    returning ${identityColumns}`,
  values: ({ login, role, attributes }) => [login, role, JSON.stringify(attributes)],
  decode: decodeIdentity,
};

/**
 * What decides whether tokens still hold, in one snapshot. Rows of revoked tokens count however old they are, so that no clock
 * that was set back revives a token.
 */
export const readTokenFacts: Statement<TokensInQuestion, TokenFact> = {
  name: "read_token_facts",
  text: `
    select jti, null::bigint as id, null::text as role, null::bigint as token_version
      from revoked_token
     where jti = any ($1::text[])
     union all
    select null, id, role, token_version
      from identity
     where id = any ($2::bigint[])`,
  values: ({ jtis, identityIds }) => [jtis, identityIds],
  decode(row) {
    const jti = row.textOrNull("jti");
    if (jti !== null) return { kind: "revoked", jti };
    const role = row.word("role", roles);
    return { kind: "identity", id: row.id("id"), role, tokenVersion: row.id("token_version") };
  },
};

export const readSensorId: Statement<string, Id> = {
  name: "read_sensor_id",
  text: `
    select id
      from sensor
     where ref = $1`,
  values: (ref) => [ref],
  decode: (row) => row.id("id"),
};

export interface Revocation {
  readonly jti: string;
  /** For how long the token, or one that descends from it, could be valid. */
  readonly keepSeconds: number;
}

/**
 * Repeated, it changes nothing but how long the rows are kept. Rows that are of no use are deleted along with it, a few at a
 * time, and a week late, in case a clock is set back.
 *
 * @param revocations of different tokens
 */
export const revokeTokens: Statement<readonly Revocation[], never> = {
  name: "revoke_tokens",
  text: `
    with revocation as (
      select jti, keep_seconds
        from unnest($1::text[], $2::float8[]) as given (jti, keep_seconds)
    ), forgotten as (
      delete from revoked_token
       where jti in (select jti
                       from revoked_token
                      where expires_at < now() - interval '7 days'
                        and jti <> all ($1::text[])
                      order by expires_at
                      limit 100
                        for update skip locked)
    )
    insert into revoked_token (jti, expires_at)
    select jti, now() + make_interval(secs => keep_seconds)
      from revocation
     order by jti
    on conflict (jti) do update
       set expires_at = greatest(revoked_token.expires_at, excluded.expires_at)`,
  values: (revocations) => [
    revocations.map(({ jti }) => jti),
    revocations.map(({ keepSeconds }) => keepSeconds),
  ],
  decode: noRows,
};

/** The newest first. More than a few are not needed to replace one by another. */
export const readSigningKeys: Statement<void, string> = {
  name: "read_signing_keys",
  text: `
    select secret
      from signing_key
     order by id desc
     limit 4`,
  values: () => [],
  decode: (row) => row.text("secret"),
};

/** Of several agents that start at once on a new database, the others wait here for the first. */
export const lockSigningKeys: Statement<void, void> = {
  name: "lock_signing_keys",
  text: `select pg_advisory_xact_lock(hashtextextended(current_schema() || '.signing_key', 0))`,
  values: () => [],
  decode: noValue,
};

export const addSigningKey: Statement<string, never> = {
  name: "add_signing_key",
  text: `
    insert into signing_key (secret)
    values ($1)`,
  values: (secret) => [secret],
  decode: noRows,
};

/** What people may see of an identity. */
export interface IdentityEntry {
  readonly id: Id;
  readonly login: string;
  readonly role: Role;
  readonly hasPassword: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const entryColumns = "id, login, role, password_hash is not null as has_password, created, updated";

function decodeEntry(row: Row): IdentityEntry {
  return {
    id: row.id("id"),
    login: row.text("login"),
    role: row.word("role", roles),
    hasPassword: row.boolean("has_password"),
    createdAt: row.instant("created"),
    updatedAt: row.instant("updated"),
  };
}

export const addIdentity: Statement<
  { readonly login: string; readonly role: Role; readonly passwordHash: string },
  IdentityEntry
> = {
  name: "add_identity",
  text: `
    insert into identity (login, role, password_hash)
    values ($1, $2, $3)
    returning ${entryColumns}`,
  values: ({ login, role, passwordHash }) => [login, role, passwordHash],
  decode: decodeEntry,
};

export const setPasswordHash: Statement<
  { readonly login: string; readonly passwordHash: string },
  IdentityEntry
> = {
  name: "set_password_hash",
  text: `
    update identity
       set password_hash = $2
     where login = $1
       and role <> 'sensor'
    returning ${entryColumns}`,
  values: ({ login, passwordHash }) => [login, passwordHash],
  decode: decodeEntry,
};

/** Sensors have thousands of them, which nobody manages by hand. */
export const listIdentities: Statement<void, IdentityEntry> = {
  name: "list_identities",
  text: `
    select ${entryColumns}
      from identity
     where role <> 'sensor'
     order by login
     limit 1000`,
  values: () => [],
  decode: decodeEntry,
};

export const removeIdentity: Statement<string, IdentityEntry> = {
  name: "remove_identity",
  text: `
    delete from identity
     where login = $1
    returning ${entryColumns}`,
  values: (login) => [login],
  decode: decodeEntry,
};
