/** Secrets, and the executable that the API hands out. */
import { Type } from "typebox";
import { FileOf, Secret, section } from "./values.ts";

export const security = Type.Object(
  {
    jwt_secret: Secret(
      "Signs tokens (HS256); without it, a secret that the first agent keeps in the database",
    ),
    jwt_secret_file: FileOf("`security.jwt_secret`"),
    jwt_secret_previous: Secret("Also valid, but signs nothing: the secret before, while it is replaced"),
    jwt_secret_previous_file: FileOf("`security.jwt_secret_previous`"),
    development: Type.Boolean({
      description:
        "For development only: accept short and well-known secrets, and open the page to this machine without a login",
      default: false,
    }),
    worker_token: Secret(
      "Token of the role `worker` at another platform (`api.url`), to get tokens for sensors",
    ),
    worker_token_file: FileOf("`security.worker_token`"),
    encryption_key: Secret(
      "Encrypts the values of the key store, the same on all agents; with the embedded database, one is made in `data_dir`",
    ),
    encryption_key_file: FileOf("`security.encryption_key`"),
    encryption_key_previous: Secret(
      "Also decrypts: the encryption key before, until all values are encrypted with the new one",
    ),
    encryption_key_previous_file: FileOf("`security.encryption_key_previous`"),
  },
  section,
);

export const agent = Type.Object(
  {
    binary_dir: Type.Optional(
      Type.String({
        description:
          "Folder of executables that `/api/v1/agent/binary` hands out, such as `attune-sensor-agent-x86_64`",
        minLength: 1,
      }),
    ),
    binary_token: Secret("What a download of the executable must send as X-Agent-Token"),
    binary_token_file: FileOf("`agent.binary_token`"),
  },
  section,
);
