/** The view that is shown, after the `#` of the address: `#/sensors/garden.thermometer?state=failed`. */
import { signal } from "@preact/signals";

export interface Route {
  readonly view: string;
  readonly name: string | undefined;
  readonly query: URLSearchParams;
}

export const route = signal<Route>(readRoute());

addEventListener("hashchange", () => {
  const before = route.value;
  route.value = readRoute();
  if (before.view === route.value.view && before.name === route.value.name) return;
  scrollTo(0, 0);
  // Moves screen readers and keyboard users to the new view.
  requestAnimationFrame(() => document.querySelector("h1")?.focus());
});

export function hrefOf(
  view: string,
  name?: string | number,
  query: Readonly<Record<string, string>> = {},
): string {
  const search = new URLSearchParams(query).toString();
  return `#/${view}${name === undefined ? "" : `/${encodeURIComponent(name)}`}${search === "" ? "" : `?${search}`}`;
}

/** The value of a filter; "" without one. */
export function queryOf(key: string): string {
  return route.value.query.get(key) ?? "";
}

/** Changes one filter without an entry in the history; "" removes it. */
export function setQuery(key: string, value: string): void {
  const query = { ...Object.fromEntries(route.value.query), [key]: value };
  const set = Object.fromEntries(Object.entries(query).filter(([, each]) => each !== ""));
  const { view, name } = route.value;
  history.replaceState(null, "", hrefOf(view, name, set));
  route.value = readRoute();
}

function readRoute(): Route {
  const [path = "", search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", name] = path.split("/");
  return { view: view === "" ? "overview" : view, name: decoded(name), query: new URLSearchParams(search) };
}

function decoded(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
