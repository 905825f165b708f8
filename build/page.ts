/** `npm run page`: bundles the page for an agent that runs from its sources. The build of the executable does it by itself. */
import { resolve } from "node:path";
import { bundlePage, sourcesPageFolder, writePage } from "./page/bundle-page.ts";

const repository = resolve(import.meta.dirname, "..");
await writePage(await bundlePage(repository), sourcesPageFolder(repository));
