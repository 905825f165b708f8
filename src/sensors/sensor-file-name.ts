/** What a sensor's files are called. A ref can come from a row that somebody wrote with SQL, and must lead to no other folder. */
export function sensorFileName(ref: string): string {
  return ref
    .replaceAll(/[^A-Za-z0-9._-]/g, "_")
    .replace(/^\.+/, "_")
    .slice(0, 200);
}
