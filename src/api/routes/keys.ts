/**
 * `/keys`: values that sensors and packs keep on the platform, encrypted at rest.
 *
 * A sensor's token can use its own keys and those of its pack; all others look missing to it. Admins can use all keys. A
 * list shows no values.
 */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import type { Page, PageRequest } from "../../database/page.ts";
import {
  keyOrders,
  keyOwnerTypes,
  type KeyEntry,
  type KeyFilter,
  type KeyOrder,
  type KeyOwnerType,
  type KeyScope,
} from "../../database/statements/keys.ts";
import type { Caller } from "../../model/identity/caller.ts";
import type { JsonValue } from "../../model/json/json.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { invalidParameter, RequestError } from "../errors.ts";
import { readSecretBodies } from "../json-body.ts";
import { ListAnswer, listAnswer, listPageParameters, listRequest } from "../paging.ts";
import type { RequestBodies } from "../request-bodies.ts";
import { Text, withoutNul } from "../validation.ts";

/** Satisfied by keys/key-store.ts. */
export interface Keys {
  readonly list: (order: KeyOrder, request: KeyFilter & PageRequest) => Promise<Page<KeyEntry>>;
  /** Undefined: there is no such key, or not within the scope. */
  readonly read: (
    scope: KeyScope,
    ref: string,
  ) => Promise<(KeyEntry & { readonly value: JsonValue }) | undefined>;
  readonly create: (scope: KeyScope, key: NewKey) => Promise<CreateOutcome>;
  readonly change: (
    scope: KeyScope,
    ref: string,
    update: {
      readonly value: JsonValue;
      readonly name: string | null;
      readonly isEncrypted: boolean | null;
    },
  ) => Promise<ChangeOutcome>;
  readonly delete: (scope: KeyScope, ref: string) => Promise<boolean>;
}

interface NewKey {
  readonly ref: string;
  readonly localRef: string;
  readonly ownerType: KeyOwnerType;
  readonly ownerRef: string | null;
  readonly name: string;
  readonly value: JsonValue;
  readonly isEncrypted: boolean;
}

type CreateOutcome =
  | { readonly kind: "created"; readonly key: KeyEntry }
  | { readonly kind: "taken" }
  | { readonly kind: "unusable-owner" }
  | { readonly kind: "expected" }
  | { readonly kind: "full"; readonly keysMax: number };

type ChangeOutcome =
  | { readonly kind: "changed"; readonly key: KeyEntry }
  | { readonly kind: "unknown" }
  | { readonly kind: "readable"; readonly ownerRef: string | null; readonly webhookRef: string };

/** Of a value's JSON text. */
const valueLengthMax = 262_144;

export const KeyListParameters = Type.Object({
  ...listPageParameters,
  sort: Type.Optional(Type.Enum(keyOrders, { description: "Key to sort by, with `-` in descending order" })),
  owner_type: Type.Optional(Type.Enum(keyOwnerTypes)),
  owner_ref: Type.Optional(Text("Ref of the pack or sensor that owns it")),
});

const RefParameters = Type.Object({ ref: Text("Ref of the key") });

const ReadParameters = Type.Object({
  decrypt: Type.Optional(Type.Boolean({ description: "With `false`, value is null; otherwise it is shown" })),
});

// A name may be empty.
const Name = Type.String({ maxLength: 256, pattern: withoutNul });
const Value = Type.Unknown({ "x-sealed": true, description: "Any JSON value, of up to 256 Ki characters" });

const PutBody = Type.Object({
  value: Value,
  name: Type.Optional(Name),
  encrypted: Type.Optional(Type.Boolean()),
});

const PostBody = Type.Object({
  ref: Type.Optional(Text("Ref of the key; without it, the owner's ref, a dot and local_ref")),
  local_ref: Type.Optional(Text("Its ref within the owner")),
  owner_type: Type.Optional(
    Type.Enum(keyOwnerTypes, {
      description: "Without it, sensor for a sensor's token and system for others",
    }),
  ),
  owner_sensor_ref: Type.Optional(Text("Sensor that owns it; without it, the sensor of the token")),
  owner_pack_ref: Type.Optional(Text("Pack that owns it")),
  name: Type.Optional(Name),
  value: Value,
  encrypted: Type.Optional(Type.Boolean({ description: "Kept for clients; values are always encrypted" })),
});

export const KeyAnswer = Type.Object({
  id: IdAnswer,
  ref: Type.String(),
  local_ref: Type.String(),
  name: Type.String(),
  owner_type: Type.Enum(keyOwnerTypes),
  owner_ref: orNull(Type.String()),
  encrypted: Type.Boolean({ description: "As the writer asked; values are always encrypted" }),
  value: Type.Unknown({ description: "null in lists" }),
  created: InstantAnswer,
  updated: InstantAnswer,
});

const roles = ["admin", "sensor"] as const;
const oneKey = Type.Object({ data: KeyAnswer });

export function addKeyRoutes(scope: FastifyInstance, keys: Keys, bodies: RequestBodies): void {
  void scope.register(async (inner) => {
    readSecretBodies(inner, bodies);
    addRoutes(inner, keys);
  });
}

function addRoutes(scope: FastifyInstance, keys: Keys): void {
  scope.get<{ Querystring: Static<typeof KeyListParameters> }>(
    "/keys",
    {
      config: { roles },
      schema: { querystring: KeyListParameters, response: { 200: ListAnswer(KeyAnswer) } },
    },
    async ({ query, caller }) => {
      const page = await keys.list(query.sort ?? "id", {
        ...scopeOf(caller),
        ownerType: query.owner_type ?? null,
        ownerRef: query.owner_ref ?? null,
        ...listRequest(query),
      });
      return listAnswer(query, page, (key) => keyAnswer(key, null));
    },
  );

  scope.get<{ Params: Static<typeof RefParameters>; Querystring: Static<typeof ReadParameters> }>(
    "/keys/:ref",
    {
      config: { roles },
      schema: { params: RefParameters, querystring: ReadParameters, response: { 200: oneKey } },
    },
    async ({ params: { ref }, query: { decrypt = true }, caller }, reply) => {
      const key = (await keys.read(scopeOf(caller), ref)) ?? unknown(ref);
      reply.header("cache-control", "no-store");
      return { data: keyAnswer(key, decrypt ? key.value : null) };
    },
  );

  scope.put<{ Params: Static<typeof RefParameters>; Body: Static<typeof PutBody> }>(
    "/keys/:ref",
    { config: { roles }, schema: { params: RefParameters, body: PutBody, response: { 200: oneKey } } },
    async ({ params: { ref }, body, caller }) => {
      const value = boundedValue(body.value);
      const update = { value, name: body.name ?? null, isEncrypted: body.encrypted ?? null };
      const outcome = await keys.change(scopeOf(caller), ref, update);
      switch (outcome.kind) {
        case "changed":
          return { data: keyAnswer(outcome.key, value) };
        case "unknown":
          return unknown(ref);
        case "readable":
          throw new RequestError(
            "CONFLICT",
            `The key ${ref} was created by a sensor and belongs to ${outcome.ownerRef ?? "it"}, which could read the value that the webhook of ${outcome.webhookRef} needs: delete the key and create it anew.`,
          );
      }
    },
  );

  scope.post<{ Body: Static<typeof PostBody> }>(
    "/keys",
    { config: { roles }, schema: { body: PostBody, response: { 201: oneKey } } },
    async ({ body, caller }, reply) => {
      const key = newKey(body, caller);
      const outcome = await keys.create(scopeOf(caller), key);
      switch (outcome.kind) {
        case "created":
          reply.code(201);
          return { data: keyAnswer(outcome.key, key.value) };
        case "taken":
          throw new RequestError("CONFLICT", `There is a key ${key.ref} already.`);
        case "full":
          throw new RequestError(
            "CONFLICT",
            `The owner has ${outcome.keysMax} keys, and there is no room for more.`,
          );
        case "expected":
          throw new RequestError(
            "FORBIDDEN",
            `A webhook outside the sensor's pack names the key ${key.ref}.`,
          );
        case "unusable-owner":
          throw caller.role === "sensor"
            ? new RequestError("FORBIDDEN", "A sensor creates keys for itself and for its pack only.")
            : invalidParameter(
                `owner_${key.ownerType}_ref`,
                `there is no ${key.ownerType} ${key.ownerRef ?? ""}`,
              );
      }
    },
  );

  scope.delete<{ Params: Static<typeof RefParameters> }>(
    "/keys/:ref",
    { config: { roles }, schema: { params: RefParameters, response: { 204: Type.Null() } } },
    async ({ params: { ref }, caller }, reply) => {
      if (!(await keys.delete(scopeOf(caller), ref))) unknown(ref);
      return reply.code(204).send();
    },
  );
}

function scopeOf(caller: Caller): KeyScope {
  return { sensorRef: caller.role === "sensor" ? caller.grant.sensorRef : null };
}

/** @throws RequestError NOT_FOUND */
function unknown(ref: string): never {
  throw new RequestError("NOT_FOUND", `There is no key ${ref}.`);
}

/** @throws RequestError PAYLOAD_TOO_LARGE */
function boundedValue(value: unknown): JsonValue {
  if (JSON.stringify(value).length > valueLengthMax) {
    throw new RequestError("PAYLOAD_TOO_LARGE", `A value has at most ${valueLengthMax} characters.`);
  }
  // Bodies are read by readJsonBodies, which makes nothing but JSON values.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return value as JsonValue;
}

/** @throws RequestError VALIDATION_FAILED or PAYLOAD_TOO_LARGE */
function newKey(body: Static<typeof PostBody>, caller: Caller): NewKey {
  const ownerType = body.owner_type ?? (caller.role === "sensor" ? "sensor" : "system");
  const ownerRef = ownerOf(ownerType, body, caller);
  const prefix = ownerRef === null ? "" : `${ownerRef}.`;
  const { ref = body.local_ref === undefined ? undefined : `${prefix}${body.local_ref}` } = body;
  if (ref === undefined) throw invalidParameter("ref", "ref or local_ref is required");
  return {
    ref,
    localRef: body.local_ref ?? (ref.startsWith(prefix) ? ref.slice(prefix.length) : ref),
    ownerType,
    ownerRef,
    name: body.name ?? "",
    value: boundedValue(body.value),
    isEncrypted: body.encrypted ?? true,
  };
}

function ownerOf(ownerType: KeyOwnerType, body: Static<typeof PostBody>, caller: Caller): string | null {
  switch (ownerType) {
    case "system":
      return null;
    case "pack":
      if (body.owner_pack_ref === undefined)
        throw invalidParameter("owner_pack_ref", "is required for a pack's key");
      return body.owner_pack_ref;
    case "sensor": {
      const ref = body.owner_sensor_ref ?? scopeOf(caller).sensorRef;
      if (ref === null) throw invalidParameter("owner_sensor_ref", "is required for a sensor's key");
      return ref;
    }
  }
}

function keyAnswer(key: KeyEntry, value: JsonValue): Static<typeof KeyAnswer> {
  return {
    id: idAnswer(key.id),
    ref: key.ref,
    local_ref: key.localRef,
    name: key.name,
    owner_type: key.ownerType,
    owner_ref: key.ownerRef,
    encrypted: key.isEncrypted,
    value,
    created: instantAnswer(key.createdAt),
    updated: instantAnswer(key.updatedAt),
  };
}
