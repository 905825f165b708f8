/** The OpenAPI document as a page for people: one file without scripts, which loads nothing from anywhere. */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";

const methods = ["get", "post", "put", "patch", "delete"];

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
details { border: 1px solid #8886; border-radius: 6px; margin: .4rem 0; padding: .3rem .8rem }
summary { cursor: pointer; overflow-wrap: anywhere }
summary b { display: inline-block; min-width: 4.5rem; text-transform: uppercase; font: 700 .85rem ui-monospace, monospace }
code, pre { font: .9rem/1.4 ui-monospace, monospace }
pre { overflow: auto; background: #8882; padding: .6rem; border-radius: 4px }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .15rem .6rem .15rem 0; vertical-align: top }
`;

/** @param document an OpenAPI 3.1 document */
export function openApiPage(document: JsonObject): string {
  const info = objectAt(document, "info");
  const title = textAt(info, "title");
  const operations = Object.entries(objectAt(document, "paths")).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = isJsonObject(item) ? item[method] : undefined;
      return isJsonObject(operation) ? [{ path, method, operation }] : [];
    }),
  );
  const sections = Map.groupBy(operations, ({ operation }) => tagOf(operation));
  const body = [...sections].map(
    ([tag, entries]) =>
      `<h2 id="${escape(tag)}">${escape(tag)}</h2>${entries.map((entry) => operationHtml(entry)).join("")}`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(title)}</title><style>${style}</style></head><body>
<h1>${escape(title)} ${escape(textAt(info, "version"))}</h1><p>${escape(textAt(info, "description"))}</p>
<p>Machine-readable: <a href="openapi.json">openapi.json</a></p>${body.join("")}</body></html>`;
}

interface Operation {
  readonly path: string;
  readonly method: string;
  readonly operation: JsonObject;
}

function operationHtml({ path, method, operation }: Operation): string {
  const parameters = arrayAt(operation, "parameters").filter(isJsonObject);
  const body = schemaIn(objectAt(operation, "requestBody"));
  const answers = Object.entries(objectAt(operation, "responses"));
  return `<details><summary><b>${method}</b> <code>${escape(path)}</code> ${escape(textAt(operation, "summary"))}</summary>
<p>${escape(textAt(operation, "description"))}</p>${parametersHtml(parameters)}${schemaHtml("Body", body)}
${answers.map(([status, answer]) => schemaHtml(`Answer ${status}`, isJsonObject(answer) ? schemaIn(answer) : undefined)).join("")}
</details>`;
}

function parametersHtml(parameters: readonly JsonObject[]): string {
  if (parameters.length === 0) return "";
  const rows = parameters.map((parameter) => {
    const { required } = parameter;
    const about = [textAt(parameter, "in"), required === true ? "required" : ""].filter(Boolean).join(", ");
    return `<tr><td><code>${escape(textAt(parameter, "name"))}</code></td><td>${about}</td><td>${escape(textAt(parameter, "description"))}</td></tr>`;
  });
  return `<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>${rows.join("")}</table>`;
}

function schemaHtml(heading: string, schema: JsonValue | undefined): string {
  if (schema === undefined) return "";
  return `<details><summary>${escape(heading)}</summary><pre>${escape(JSON.stringify(schema, null, 2))}</pre></details>`;
}

function schemaIn(holder: JsonObject): JsonValue | undefined {
  return objectAt(objectAt(holder, "content"), "application/json")["schema"];
}

function tagOf(operation: JsonObject): string {
  const [tag] = arrayAt(operation, "tags");
  return typeof tag === "string" ? tag : "other";
}

function objectAt(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return isJsonObject(value) ? value : {};
}

function arrayAt(object: JsonObject, key: string): readonly JsonValue[] {
  const value = object[key];
  return isJsonArray(value) ? value : [];
}

function textAt(object: JsonObject, key: string): string {
  const value = object[key];
  return typeof value === "string" ? value : "";
}

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escape(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => escapes[character] ?? character);
}
