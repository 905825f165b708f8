/**
 * What the routes of all definitions have in common: reading one, listing, creating, changing, removing, enabling.
 *
 * Bodies are checked where packs are loaded (packs/edit-definitions.ts), with the same code. Their schemas here are for the
 * OpenAPI document, made from the fields of packs' files with the names that answers have.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type, type Static, type TSchema } from "typebox";
import type { Page, PageRequest } from "../../database/page.ts";
import type { DefinitionName } from "../../database/statements/definition-edits.ts";
import {
  definitionOrders,
  type ColumnSort,
  type DefinitionEntry,
  type DefinitionFilter,
  type DefinitionOrder,
  type EntryColumns,
  type ListedKind,
} from "../../database/statements/definition-lists.ts";
import type { DefinitionEdit, DefinitionKind, IsExpected } from "../../model/definition-edit.ts";
import { definitionSchemas } from "../../model/definition-schemas.ts";
import type { Id } from "../../model/identifiers.ts";
import { isJsonObject, type JsonObject } from "../../model/json/json.ts";
import type { Caller, Role } from "../../model/identity/caller.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { RequestError } from "../errors.ts";
import { ListAnswer, listAnswer, pageParameters, pageRequest } from "../paging.ts";
import { entityTag, expectedVersion } from "../row-version.ts";
import { bodyForHandler, Text } from "../validation.ts";

/** They reject with an OperatorError whose code says why the database cannot be used. */
export interface DefinitionEditPorts<Entry> {
  readonly create: (body: JsonObject) => Promise<DefinitionEdit<Entry>>;
  readonly change: (
    name: DefinitionName,
    isExpected: IsExpected,
    body: JsonObject,
  ) => Promise<DefinitionEdit<Entry>>;
  readonly remove: (
    name: DefinitionName,
    isExpected: IsExpected,
  ) => Promise<DefinitionEdit<{ readonly id: Id; readonly ref: string }>>;
  readonly switchTo: (
    isEnabled: boolean,
    name: DefinitionName,
    isExpected: IsExpected,
  ) => Promise<DefinitionEdit<Entry>>;
  readonly changeWebhook: (
    change: "enable" | "disable" | "regenerate",
    name: DefinitionName,
    isExpected: IsExpected,
  ) => Promise<DefinitionEdit<Entry>>;
}

export interface DefinitionPorts extends DefinitionEditPorts<DefinitionEntry> {
  readonly list: (
    order: DefinitionOrder,
    request: DefinitionFilter & PageRequest,
  ) => Promise<Page<DefinitionEntry>>;
  /** Undefined: there is none. */
  readonly read: (name: DefinitionName) => Promise<DefinitionEntry | undefined>;
}

export const readerRoles: readonly Role[] = ["admin", "viewer"];
export const writerRoles: readonly Role[] = ["admin"];

export const NameParameters = Type.Object({ ref: Text("Its ref, or its id") });
export type NameParameters = Static<typeof NameParameters>;

/** Parameters of every list of definitions. */
export const listParameters = {
  ...pageParameters,
  sort: Type.Optional(
    Type.Enum(definitionOrders, { description: "Key to sort by, with `-` in descending order" }),
  ),
};

/** What lists of definitions are filtered by. A list ignores those that it does not know. */
export const filterParameters = {
  pack_ref: Type.Optional(Text("Pack that defines it")),
  enabled: Type.Optional(Type.Boolean()),
  is_adhoc: Type.Optional(Type.Boolean({ description: "Whether a request made it, not a pack" })),
  is_standard: Type.Optional(Type.Boolean({ description: "Whether it belongs to the platform itself" })),
  runtime_type: Type.Optional(Type.Enum(["sensor", "action"])),
  trigger_ref: Type.Optional(Text("Trigger whose events it matches")),
  trigger_type: Type.Optional(Text("Another name of `trigger_ref`")),
  action_ref: Type.Optional(Text("Action it leads to")),
};

const AllParameters = Type.Object({ ...listParameters, ...filterParameters });

export type ListQuery = Static<typeof AllParameters>;

export function triggerOf(query: ListQuery): string | null {
  return query.trigger_ref ?? query.trigger_type ?? null;
}

/** Digits of the largest bigint. */
const idDigitsMax = 19;
const idMax = 2n ** 63n - 1n;

/** What a path names: a ref, or an id if no definition has that ref. */
export function nameOf(ref: string): DefinitionName {
  const isId = /^\d+$/.test(ref) && ref.length <= idDigitsMax && BigInt(ref) <= idMax;
  return { ref, id: isId ? ref : null };
}

const answerSchemas: Readonly<Record<ColumnSort, TSchema>> = {
  id: IdAnswer,
  idOrNull: orNull(IdAnswer),
  text: Type.String(),
  textOrNull: orNull(Type.String()),
  texts: Type.Array(Type.String()),
  boolean: Type.Boolean(),
  json: Type.Unknown(),
  jsonObject: Type.Object({}, { additionalProperties: Type.Unknown() }),
  instant: InstantAnswer,
};

export function answerSchemaOf(columns: EntryColumns) {
  return Type.Object(
    Object.fromEntries(Object.entries(columns).map(([name, sort]) => [name, answerSchemas[sort]])),
  );
}

/** The entry as it is answered. */
export function answerOf(columns: EntryColumns, entry: DefinitionEntry): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, sort]) => {
      const value = entry.columns[name] ?? null;
      if (sort === "id" || sort === "idOrNull")
        return [name, idAnswer(typeof value === "string" ? value : null)];
      return [name, value instanceof Date ? instantAnswer(value) : value];
    }),
  );
}

/** Fields whose names in requests and answers are those of their columns. */
const requestNames: Readonly<Record<string, string>> = {
  trigger: "trigger_ref",
  action: "action_ref",
  runtime: "runtime_ref",
  triggers: "trigger_refs",
};

/** For the OpenAPI document. A change names any of them. */
function bodySchema(kind: DefinitionKind, isChange: boolean): TSchema {
  const { properties, required } = definitionSchemas[kind];
  const isRequired = (name: string, field: TSchema): boolean =>
    !isChange && required.some((each) => each === name) && !("default" in field);
  const own = kind === "pack" ? {} : { pack_ref: Type.Optional(Type.String({ description: "Its pack" })) };
  return Type.Object({
    ...Object.fromEntries(
      Object.entries<TSchema>(properties).map(([name, field]) => [
        requestNames[name] ?? name,
        isRequired(name, field) ? field : Type.Optional(field),
      ]),
    ),
    ...own,
  });
}

const RemovedAnswer = Type.Object({
  data: Type.Object({ id: IdAnswer, ref: Type.String() }),
  success: Type.Boolean(),
  message: Type.String(),
});

export interface EditedResource<Entry extends { readonly rowVersion: string }> {
  readonly kind: DefinitionKind;
  /** `/rules` */
  readonly path: string;
  readonly ports: DefinitionEditPorts<Entry>;
  readonly answer: (entry: Entry, caller: Caller) => object;
  readonly answerSchema: TSchema;
}

export interface ListedResource extends EditedResource<DefinitionEntry> {
  readonly kind: ListedKind;
  readonly ports: DefinitionPorts;
  readonly readers: readonly Role[];
  /** Of `filterParameters`, those that the list knows. */
  readonly query: TSchema;
  /**
   * Triggers that the caller is limited to; null: any.
   *
   * @throws RequestError FORBIDDEN for a list that the caller may not read
   */
  readonly amongTriggers?: (caller: Caller, query: ListQuery) => readonly string[] | null;
  /** @throws RequestError FORBIDDEN for an entry that the caller may not read */
  readonly demandReadable?: (caller: Caller, entry: DefinitionEntry) => void;
}

/** The list, and GET of one. */
export function addReadRoutes(scope: FastifyInstance, resource: ListedResource): void {
  const { path, ports, readers, answer, answerSchema, amongTriggers } = resource;

  scope.get<{ Querystring: ListQuery }>(
    path,
    {
      config: { roles: readers },
      schema: { querystring: resource.query, response: { 200: ListAnswer(answerSchema) } },
    },
    async ({ query, caller }) => {
      const page = await ports.list(query.sort ?? "id", {
        packRef: query.pack_ref ?? null,
        isEnabled: query.enabled ?? null,
        isAdhoc: query.is_adhoc ?? null,
        isStandard: query.is_standard ?? null,
        runtimeType: query.runtime_type ?? null,
        triggerRef: triggerOf(query),
        actionRef: query.action_ref ?? null,
        amongTriggers: amongTriggers?.(caller, query) ?? null,
        ...pageRequest(query),
      });
      return listAnswer(query, page, (entry) => answer(entry, caller));
    },
  );

  scope.get<{ Params: NameParameters }>(
    `${path}/:ref`,
    {
      config: { roles: readers },
      schema: { params: NameParameters, response: { 200: Type.Object({ data: answerSchema }) } },
    },
    async ({ params, caller }, reply) => {
      const entry = await readOne(resource, params.ref, caller);
      reply.header("etag", entityTag(entry.rowVersion));
      return { data: answer(entry, caller) };
    },
  );
}

/** @throws RequestError NOT_FOUND, or FORBIDDEN if the caller may not read it */
export async function readOne(
  { kind, ports, demandReadable }: Pick<ListedResource, "kind" | "ports" | "demandReadable">,
  named: string,
  caller: Caller,
): Promise<DefinitionEntry> {
  const entry = await ports.read(nameOf(named));
  if (entry === undefined) throw missing(kind, named);
  demandReadable?.(caller, entry);
  return entry;
}

/** POST, PATCH, PUT and DELETE. PUT is PATCH under the name that existing clients use. */
export function addEditRoutes<Entry extends { readonly rowVersion: string }>(
  scope: FastifyInstance,
  resource: EditedResource<Entry>,
): void {
  const { kind, path, ports, answerSchema } = resource;
  const response = { 200: Type.Object({ data: answerSchema }) };

  scope.post(
    path,
    {
      config: { roles: writerRoles },
      schema: { body: bodySchema(kind, false), response: { 201: Type.Object({ data: answerSchema }) } },
      validatorCompiler: bodyForHandler,
    },
    async (request, reply) => {
      const edit = await ports.create(objectOf(request.body));
      reply.code(201);
      return answerEdit(request, reply, resource, edit);
    },
  );

  for (const method of ["PATCH", "PUT"]) {
    scope.route<{ Params: NameParameters }>({
      method,
      url: `${path}/:ref`,
      config: { roles: writerRoles },
      schema: { params: NameParameters, body: bodySchema(kind, true), response },
      validatorCompiler: bodyForHandler,
      handler: async (request, reply) => {
        const { params, body } = request;
        const edit = await ports.change(nameOf(params.ref), expected(request), objectOf(body));
        return answerEdit(request, reply, resource, edit, params.ref);
      },
    });
  }

  scope.delete<{ Params: NameParameters }>(
    `${path}/:ref`,
    {
      config: { roles: writerRoles },
      schema: { params: NameParameters, response: { 200: RemovedAnswer } },
    },
    async (request) => {
      const { params } = request;
      const { id, ref } = resultOf(
        kind,
        await ports.remove(nameOf(params.ref), expected(request)),
        params.ref,
      );
      return { data: { id: idAnswer(id), ref }, success: true, message: `The ${kind} ${ref} is deleted.` };
    },
  );
}

/** `POST …/enable` and `…/disable`. */
export function addSwitchRoutes<Entry extends { readonly rowVersion: string }>(
  scope: FastifyInstance,
  resource: EditedResource<Entry>,
): void {
  const { path, ports } = resource;
  for (const isEnabled of [true, false]) {
    addChangeRoute(scope, resource, `${path}/:ref/${isEnabled ? "enable" : "disable"}`, (name, isExpected) =>
      ports.switchTo(isEnabled, name, isExpected),
    );
  }
}

/** A POST without a body. */
export function addChangeRoute<Entry extends { readonly rowVersion: string }>(
  scope: FastifyInstance,
  resource: EditedResource<Entry>,
  url: string,
  change: (name: DefinitionName, isExpected: IsExpected) => Promise<DefinitionEdit<Entry>>,
): void {
  scope.post<{ Params: NameParameters }>(
    url,
    {
      config: { roles: writerRoles },
      schema: {
        params: NameParameters,
        response: { 200: Type.Object({ data: resource.answerSchema }) },
      },
    },
    async (request, reply) => {
      const { params } = request;
      const edit = await change(nameOf(params.ref), expected(request));
      return answerEdit(request, reply, resource, edit, params.ref);
    },
  );
}

function expected({ headers }: FastifyRequest): IsExpected {
  return expectedVersion(headers["if-match"]);
}

/** @throws RequestError VALIDATION_FAILED */
export function objectOf(body: unknown): JsonObject {
  if (isJsonObject(body)) return body;
  throw new RequestError("VALIDATION_FAILED", "The body must be a JSON object.", [
    { parameter: "", problem: "must be a JSON object" },
  ]);
}

function answerEdit<Entry extends { readonly rowVersion: string }>(
  { caller }: FastifyRequest,
  reply: FastifyReply,
  { kind, answer }: EditedResource<Entry>,
  edit: DefinitionEdit<Entry>,
  named = "",
): object {
  const entry = resultOf(kind, edit, named);
  reply.header("etag", entityTag(entry.rowVersion));
  return { data: answer(entry, caller) };
}

/** How many problems of a body are listed. */
const detailsMax = 100;

/**
 * @param named what the path names
 * @throws RequestError saying why it was not done
 */
export function resultOf<Result>(kind: DefinitionKind, edit: DefinitionEdit<Result>, named: string): Result {
  switch (edit.kind) {
    case "done":
      return edit.result;
    case "missing":
      throw missing(kind, named);
    case "outdated":
      throw new RequestError(
        "PRECONDITION_FAILED",
        `The ${kind} ${named} is not in the version that If-Match names; read it again.`,
      );
    case "taken":
      throw new RequestError("CONFLICT", `There is a ${kind} ${edit.ref} already.`);
    case "refused":
      throw new RequestError("CONFLICT", edit.reason);
    case "in-use": {
      const names = edit.referrers.map((referrer) => `${referrer.kind} ${referrer.ref}`);
      throw new RequestError(
        "CONFLICT",
        `The ${kind} ${edit.ref} is in use by ${names.join(", ")}.`,
        edit.referrers.map((referrer) => ({
          parameter: referrer.ref,
          problem: `this ${referrer.kind} refers to it`,
        })),
      );
    }
    case "invalid": {
      const fields = [...new Set(edit.problems.map(({ field }) => field ?? "the body"))];
      throw new RequestError(
        "VALIDATION_FAILED",
        `Not valid: ${fields.slice(0, detailsMax).join(", ")}.`,
        edit.problems
          .slice(0, detailsMax)
          .map(({ field, reason }) => ({ parameter: field ?? "", problem: reason })),
      );
    }
  }
}

export function missing(kind: DefinitionKind, named: string): RequestError {
  return new RequestError("NOT_FOUND", `There is no ${kind} ${named}.`);
}
