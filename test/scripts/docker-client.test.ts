import { expect, test } from "vitest";
import { findComposeCommand, findDockerClient } from "../../scripts/services/docker-client.ts";
import { programDirectory, type ProgramDirectory } from "../support/program-directory.ts";

/** A client that prints its version, and may have plug-ins. */
function client(programs: ProgramDirectory, version: string, plugins: readonly string[] = []): string {
  const cases = plugins.map((plugin) => `"${plugin} version") exit 0 ;;`).join(" ");
  return programs.script(
    "docker",
    `case "$*" in --version) echo "Docker version ${version}, build 1" ;; ${cases} *) exit 1 ;; esac`,
  );
}

// Goal: the first run on a machine with a newer client on PATH, and the engine still to be installed, builds its images.
// Method: ask before and after Debian's client is there, in the same process.
test("a newer client without its plug-in is no choice, also before Debian's is installed", () => {
  const [debian, foreign] = [programDirectory(), programDirectory()];
  const files = [`${debian.path}/docker`, client(foreign, "28.2.2")];
  expect(findDockerClient(files)).toBeUndefined();

  client(debian, "20.10.24+dfsg1");

  expect(findDockerClient(files)?.file).toBe(files[0]);
});

test("a newer client with its plug-in is a choice", () => {
  const file = client(programDirectory(), "28.2.2", ["buildx"]);

  expect(findDockerClient(["/does/not/exist", file])?.file).toBe(file);
});

test("programs that call docker themselves find the client that was chosen, and build as it does", () => {
  const programs = programDirectory();
  const found = findDockerClient([client(programs, "20.10.24")]);

  expect(found?.environment["PATH"]?.split(":")[0]).toBe(programs.path);
  expect(found?.environment["DOCKER_BUILDKIT"]).toBe("1");
});

test("Compose is the plug-in, else the program, else nothing", () => {
  const programs = programDirectory();
  const environment = { PATH: programs.path };
  expect(findComposeCommand(environment)).toBeUndefined();

  client(programs, "28.2.2");
  programs.script("docker-compose", "exit 0");
  expect(findComposeCommand(environment)).toEqual(["docker-compose"]);

  client(programs, "28.2.2", ["compose"]);
  expect(findComposeCommand(environment)).toEqual(["docker", "compose"]);
});
