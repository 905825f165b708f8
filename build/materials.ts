import manifest from "../package.json" with { type: "json" };
import type { Component } from "./components.ts";

/** The bill of materials in CycloneDX 1.5, without time or serial number: the same build, the same text. */
export function billOfMaterials(components: readonly Component[]): string {
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: {
        type: "application",
        name: manifest.name,
        version: manifest.version,
        licenses: [{ expression: manifest.license }],
      },
    },
    components: components.map(({ name, version, kind, licence, purl, remark }) => ({
      type: kind,
      name,
      ...(version === undefined ? {} : { version }),
      licenses: [{ expression: licence }],
      purl,
      ...(remark === undefined ? {} : { description: remark }),
    })),
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}
