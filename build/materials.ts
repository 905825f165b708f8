import { createHash } from "node:crypto";
import manifest from "../package.json" with { type: "json" };
import type { Component } from "./papers/components.ts";

/**
 * The bill of materials in CycloneDX 1.5. It has no time or serial number, so that the same build gives the same text,
 * and identifies its executable by checksum.
 */
export function billOfMaterials(executable: Buffer, components: readonly Component[]): string {
  const sha256 = createHash("sha256").update(executable).digest("hex");
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: {
        type: "application",
        name: manifest.name,
        version: manifest.version,
        hashes: [{ alg: "SHA-256", content: sha256 }],
        licenses: [{ expression: manifest.license }],
      },
    },
    components: components.map(({ name, version, kind, licence, purl, sha512, remark }) => ({
      type: kind,
      name,
      ...(version === undefined ? {} : { version }),
      ...(sha512 === undefined ? {} : { hashes: [{ alg: "SHA-512", content: sha512 }] }),
      licenses: [{ expression: licence }],
      purl,
      ...(remark === undefined ? {} : { description: remark }),
    })),
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}
