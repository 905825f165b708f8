/** Absolute paths in a watched tree, as text: they need no normalizing. */

export function childOf(folder: string, name: string): string {
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The path below the base; "" for the base itself. */
export function relativeTo(base: string, path: string): string {
  return path === base ? "" : path.slice(base === "/" ? 1 : base.length + 1);
}

/** Whether the path is the base or below it. */
export function isWithin(base: string, path: string): boolean {
  return path === base || path.startsWith(base === "/" ? base : `${base}/`);
}
