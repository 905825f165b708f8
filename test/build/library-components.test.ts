import { expect, test } from "vitest";
import { architectures } from "../../build/architecture.ts";
import { libraryComponents } from "../../build/papers/library-components.ts";

test("the libraries are named by their sources, as apt-get source takes them", async () => {
  const components = await libraryComponents(architectures.x64);

  for (const [name, source] of [
    ["glibc", "glibc"],
    ["gcc-runtime-libraries", String.raw`gcc-\d+`],
  ]) {
    const component = components.find((candidate) => candidate.name === name);
    const version = component?.version ?? "";
    expect(version).toMatch(/^\d+\.\d+/);
    const [, sourceName] = new RegExp(`apt-get source (${source})=`).exec(component?.remark ?? "") ?? [];
    expect(component?.remark).toContain(`apt-get source ${sourceName}=${version}`);
    const purl = `pkg:deb/debian/${sourceName}@${encodeURIComponent(version)}?arch=source`;
    expect(component?.purl).toContain(purl);
  }
});
