/** JSON values. */
import type { Json } from "../types.ts";

/** Any value as a tree. Everything in it is text. */
export function Tree({ value, name }: { value: Json; name?: string }) {
  return (
    <div class="tree">
      <Branch name={name} value={value} depth={0} />
    </div>
  );
}

const openDepth = 3;
const shownMax = 200;

function Branch({ name, value, depth }: { name: string | undefined; value: Json; depth: number }) {
  const label = name === undefined ? null : <span class="key-name">{name}: </span>;
  if (value === null || typeof value !== "object") {
    return (
      <div>
        {label}
        <span>{JSON.stringify(value)}</span>
      </div>
    );
  }
  const entries: (readonly [string, Json])[] = Array.isArray(value)
    ? (value as readonly Json[]).map((each, index) => [String(index), each] as const)
    : Object.entries(value);
  const kind = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  return (
    <details open={depth < openDepth}>
      <summary>
        {label}
        <span class="kind">{kind}</span>
      </summary>
      <ul>
        {entries.slice(0, shownMax).map(([key, each]) => (
          <li key={key}>
            <Branch name={key} value={each} depth={depth + 1} />
          </li>
        ))}
        {entries.length > shownMax && <li class="kind">and {entries.length - shownMax} more</li>}
      </ul>
    </details>
  );
}
