/**
 * The images that the executable must run in, made on this machine: from nothing, from a handful of files,
 * and from Debian's packages.
 *
 * An image's tag has the hash of what it is made of, so an image is made once and found again by later
 * runs; the engine keeps it.
 */
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtempDisposable, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { requireInstalled } from "../../../scripts/services/debian-packages.ts";
import { holdName } from "../../../scripts/services/held-name.ts";
import { debootstrap, smallImages } from "../../../scripts/testing/requirements.ts";
import { type Docker, runCommand } from "./docker.ts";

export const imageRepository = "attune-test";

/** Changes when the way images are made changes in a manner their recipes do not show. */
const generation = 1;

interface FilesRecipe {
  readonly kind: "files";
  /** Path in the image to path here. */
  readonly files: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
}

interface PackagesRecipe {
  readonly kind: "packages";
  readonly packages: readonly string[];
  /** Path in the image to text; all are executable. */
  readonly files?: Readonly<Record<string, string>>;
  /** Further lines of the Dockerfile. */
  readonly instructions?: readonly string[];
}

type Recipe = FilesRecipe | PackagesRecipe | { readonly kind: "debian" };

const busybox = { "bin/busybox": "/bin/busybox" };
const busyboxLinks = { "bin/sh": "busybox", "bin/ls": "busybox", "bin/cat": "busybox" };

const recipes = {
  empty: { kind: "files", files: {} },
  busybox: { kind: "files", files: busybox, links: busyboxLinks },
  musl: {
    kind: "files",
    files: { ...busybox, "lib/ld-musl-x86_64.so.1": "/lib/x86_64-linux-musl/libc.so" },
    links: busyboxLinks,
  },
  glibc: {
    kind: "files",
    files: {
      "bin/dash": "/bin/dash",
      "lib64/ld-linux-x86-64.so.2": "/lib64/ld-linux-x86-64.so.2",
      "lib/x86_64-linux-gnu/libc.so.6": "/lib/x86_64-linux-gnu/libc.so.6",
    },
    links: { "bin/sh": "dash" },
  },
  debian: { kind: "debian" },
  python: { kind: "packages", packages: ["python3"] },
  node: { kind: "packages", packages: ["nodejs"] },
  ruby: { kind: "packages", packages: ["ruby"] },
  java: { kind: "packages", packages: ["openjdk-17-jre-headless"] },
} as const satisfies Readonly<Record<string, Recipe>>;

export type ImageName = keyof typeof recipes;

/** Returns the image's tag. */
export async function provideImage(docker: Docker, name: ImageName): Promise<string> {
  return provide(docker, name, recipes[name]);
}

/** With systemd as a program; docker runs it as the first process. */
export async function provideSystemd(docker: Docker): Promise<string> {
  return providePackages(docker, "systemd", { packages: ["systemd", "dbus"] });
}

/** All but the stand-ins of the stack. */
export async function provideAllImages(docker: Docker): Promise<void> {
  for (const [name, recipe] of Object.entries(recipes)) await provide(docker, name, recipe);
  await provideSystemd(docker);
}

/** An image of Debian with these packages, and files whose texts are given by their paths. */
export async function providePackages(
  docker: Docker,
  name: string,
  content: Omit<PackagesRecipe, "kind">,
): Promise<string> {
  return provide(docker, name, { kind: "packages", ...content });
}

async function provide(docker: Docker, name: string, recipe: Recipe): Promise<string> {
  const digest = createHash("sha256").update(JSON.stringify({ generation, recipe })).digest("hex");
  const tag = `${imageRepository}/${name}:${digest.slice(0, 12)}`;
  if (await docker.hasImage(tag)) return tag;
  // Another process may be making it.
  await using _held = await holdName(`image-${tag}`);
  if (await docker.hasImage(tag)) return tag;

  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-image-"));
  switch (recipe.kind) {
    case "files":
      await importFiles(docker, tag, recipe, directory.path);
      break;
    case "debian":
      await importDebian(docker, tag, directory.path);
      break;
    case "packages":
      await installPackages(docker, tag, recipe, directory.path);
  }
  return tag;
}

async function importFiles(
  docker: Docker,
  tag: string,
  { files, links = {} }: FilesRecipe,
  directory: string,
): Promise<void> {
  await requireInstalled(smallImages);
  const root = join(directory, "root");
  await mkdir(root);
  for (const [path, source] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await copyFile(source, join(root, path));
  }
  for (const [path, target] of Object.entries(links)) await symlink(target, join(root, path));
  await importDirectory(docker, tag, root);
}

async function importDebian(docker: Docker, tag: string, directory: string): Promise<void> {
  await requireInstalled(debootstrap);
  const root = join(directory, "root");
  await runCommand("debootstrap", ["--variant=minbase", "bookworm", root]);
  await runCommand("chroot", [root, "apt-get", "clean"]);
  await importDirectory(docker, tag, root);
}

async function importDirectory(docker: Docker, tag: string, root: string): Promise<void> {
  const archive = `${root}.tar`;
  await runCommand("tar", ["--create", "--file", archive, "--directory", root, "."]);
  await docker.run("import", archive, tag);
}

async function installPackages(
  docker: Docker,
  tag: string,
  { packages, files = {}, instructions = [] }: PackagesRecipe,
  directory: string,
): Promise<void> {
  const base = await provideImage(docker, "debian");
  await mkdir(join(directory, "files"));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, "files", path)), { recursive: true });
    await writeFile(join(directory, "files", path), text, { mode: 0o755 });
  }
  const install = `apt-get install -y -qq --no-install-recommends ${packages.join(" ")}`;
  const lines = [
    `FROM ${base}`,
    // Packages may not start services while they are installed.
    "RUN printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d",
    `RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive ${install} > /dev/null && rm -rf /var/lib/apt/lists/*`,
    "COPY files/ /",
    ...instructions,
  ];
  await writeFile(join(directory, "Dockerfile"), `${lines.join("\n")}\n`);
  // The engine's own network has no way out of this machine; the build needs one.
  await docker.run("build", "--quiet", "--network", "host", "--tag", tag, directory);
}
