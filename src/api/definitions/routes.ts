/** What the routes of all definitions have in common: reading one, listing, creating, changing, removing, enabling. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type, type TSchema } from "typebox";
import type { DefinitionName } from "../../database/statements/definition-edits.ts";
import type { DefinitionEntry, ListedKind } from "../../database/statements/definition-lists.ts";
import type { DefinitionEdit, DefinitionKind, IsExpected } from "../../model/definition-edit.ts";
import type { Id } from "../../model/identifiers.ts";
import type { Caller, Role } from "../../model/identity/caller.ts";
import { idAnswer } from "../answers.ts";
import { ListAnswer, listAnswer, listRequest } from "../paging.ts";
import { entityTag, expectedVersion } from "../row-version.ts";
import { bodyForHandler } from "../validation.ts";
import { MissingError } from "../errors.ts";
import { objectOf, resultOf } from "./outcomes.ts";
import type { DefinitionEditPorts, DefinitionPorts } from "./ports.ts";
import { bodySchema, NameParameters, RemovedAnswer, triggerOf, type ListQuery } from "./schemas.ts";

export const readerRoles: readonly Role[] = ["admin", "viewer"];
export const writerRoles: readonly Role[] = ["admin"];

/** Digits of the largest bigint. */
const idDigitsMax = 19;
const idMax = 2n ** 63n - 1n;

/** What a path names: a ref, or an id if no definition has that ref. */
export function nameOf(ref: string): DefinitionName {
  const isId = /^\d+$/.test(ref) && ref.length <= idDigitsMax && BigInt(ref) <= idMax;
  return { ref, id: isId ? ref : null };
}

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
  /** Of entries in a list. */
  readonly listedSchema?: TSchema;
  /** What the list says of these entries beside the usual answer, by their ids, because the request asks for it. */
  readonly included?: (ids: readonly Id[], query: ListQuery) => Promise<ReadonlyMap<Id, object>>;
}

/** The list, and GET of one. */
export function addReadRoutes(scope: FastifyInstance, resource: ListedResource): void {
  const { path, ports, readers, answer, answerSchema, listedSchema = answerSchema, amongTriggers } = resource;

  scope.get<{ Querystring: ListQuery }>(
    path,
    {
      config: { roles: readers },
      schema: { querystring: resource.query, response: { 200: ListAnswer(listedSchema) } },
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
        search: query.q ?? null,
        ...listRequest(query),
      });
      const included = await resource.included?.(
        page.entries.map(({ id }) => id),
        query,
      );
      return listAnswer(query, page, (entry) => ({ ...answer(entry, caller), ...included?.get(entry.id) }));
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
  if (entry === undefined) throw new MissingError(kind, named);
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
      const edit = await ports.create(request.caller.login, objectOf(request.body));
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
        const { params, body, caller } = request;
        const edit = await ports.change(caller.login, nameOf(params.ref), expected(request), objectOf(body));
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
      const { params, caller } = request;
      const { id, ref } = resultOf(
        kind,
        await ports.remove(caller.login, nameOf(params.ref), expected(request)),
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
    addChangeRoute(
      scope,
      resource,
      `${path}/:ref/${isEnabled ? "enable" : "disable"}`,
      ({ name, isExpected, by }) => ports.switchTo(by, isEnabled, name, isExpected),
    );
  }
}

export interface ChangeRequest {
  readonly name: DefinitionName;
  readonly isExpected: IsExpected;
  readonly body: unknown;
  /** Login of the caller. */
  readonly by: string;
}

/** A POST that needs no body. */
export function addChangeRoute<Entry extends { readonly rowVersion: string }>(
  scope: FastifyInstance,
  resource: EditedResource<Entry>,
  url: string,
  change: (request: ChangeRequest) => Promise<DefinitionEdit<Entry>>,
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
      const { params, body, caller } = request;
      const edit = await change({
        name: nameOf(params.ref),
        isExpected: expected(request),
        body,
        by: caller.login,
      });
      return answerEdit(request, reply, resource, edit, params.ref);
    },
  );
}

function expected({ headers }: FastifyRequest): IsExpected {
  return expectedVersion(headers["if-match"]);
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
