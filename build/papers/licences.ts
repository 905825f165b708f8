import type { Component } from "./components.ts";

const rule = "=".repeat(100);

/** The notices of all components of the executable, in one text to ship with it. */
export function licenceText(components: readonly Component[]): string {
  const sections = components.map(({ name, version, licence, notice, remark }) =>
    [
      rule,
      `${version === undefined ? name : `${name} ${version}`} — ${licence}`,
      ...(remark === undefined ? [] : [remark]),
      "",
      notice === "" ? "Its authors ship no notice beyond the name of the licence." : notice,
      "",
    ].join("\n"),
  );
  const heading = "attune-sensor-agent contains what follows, on these terms.\n";
  return [heading, ...sections].join("\n");
}
