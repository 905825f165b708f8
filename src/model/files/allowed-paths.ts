/** Which paths rules may watch: those inside one of the configured folders, and these folders themselves. */

export function isAllowedPath(path: string, allowed: readonly string[]): boolean {
  return allowed.some((folder) => {
    const prefix = folder.endsWith("/") ? folder : `${folder}/`;
    return path === folder || `${path}/` === prefix || path.startsWith(prefix);
  });
}
