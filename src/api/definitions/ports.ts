/** What the routes of definitions need; service/definition-parts.ts provides it. */
import type { Page, PageRequest } from "../../database/page.ts";
import type { DefinitionName } from "../../database/statements/definition-edits.ts";
import type {
  DefinitionEntry,
  DefinitionFilter,
  DefinitionOrder,
} from "../../database/statements/definition-lists.ts";
import type { DefinitionEdit, IsExpected } from "../../model/definition-edit.ts";
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";

/** `by` is the caller's login, which the history of rules keeps. They reject with an OperatorError whose code says why the database cannot be used. */
export interface DefinitionEditPorts<Entry> {
  readonly create: (by: string, body: JsonObject) => Promise<DefinitionEdit<Entry>>;
  readonly change: (
    by: string,
    name: DefinitionName,
    isExpected: IsExpected,
    body: JsonObject,
  ) => Promise<DefinitionEdit<Entry>>;
  readonly remove: (
    by: string,
    name: DefinitionName,
    isExpected: IsExpected,
  ) => Promise<DefinitionEdit<{ readonly id: Id; readonly ref: string }>>;
  readonly switchTo: (
    by: string,
    isEnabled: boolean,
    name: DefinitionName,
    isExpected: IsExpected,
  ) => Promise<DefinitionEdit<Entry>>;
  readonly changeWebhook: (
    by: string,
    change: "enable" | "disable" | "regenerate",
    name: DefinitionName,
    isExpected: IsExpected,
    /** Null: as it is. */
    config: JsonObject | null,
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
