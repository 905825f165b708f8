/** The routes of a server, to tell a path that does not exist from one that supports other methods. */
export class RouteList {
  readonly #methodsByPath = new Map<string, Set<string>>();

  /** @param path as the route is declared: `/sensors/:ref` */
  add(path: string, methods: readonly string[]): void {
    const known = this.#methodsByPath.get(path) ?? new Set();
    this.#methodsByPath.set(path, known);
    for (const method of methods) known.add(method);
  }

  /** The methods that a requested path supports, without its query. */
  methodsOf(requested: string): ReadonlySet<string> {
    const parts = requested.split("/");
    for (const [path, methods] of this.#methodsByPath) {
      if (isMatch(path.split("/"), parts)) return methods;
    }
    return new Set();
  }
}

function isMatch(declared: readonly string[], requested: readonly string[]): boolean {
  return (
    declared.length === requested.length &&
    declared.every(
      (part, index) => part === requested[index] || (part.startsWith(":") && requested[index] !== ""),
    )
  );
}
