/** A program: makes all images of the tests, so that they find them. */
import { openDocker } from "./docker.ts";
import { provideAllImages } from "./images.ts";
import { provideStandIns } from "./stand-ins.ts";

await using docker = await openDocker();
await provideStandIns(docker);
await provideAllImages(docker);
