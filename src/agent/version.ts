import manifest from "../../package.json" with { type: "json" };

/** The agent's version. The bundler copies it into the executable. */
export const agentVersion: string = manifest.version;

/** What `--version` prints. */
export const versionText = `${manifest.name} ${agentVersion}`;
