/**
 * Posts with Python's urllib, a client that sends the whole body before it reads the answer, and then wants the connection
 * closed.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const script = `
import sys, urllib.error, urllib.request
url, megabytes = sys.argv[1], int(sys.argv[2])
request = urllib.request.Request(url, b"x" * megabytes * 1_000_000, {"content-type": "application/json"})
try:
    answer = urllib.request.urlopen(request)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
`;

/** @returns the status, a space, and the answer's body */
export async function postWithUrllib(
  url: string,
  megabytes: number,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const { stdout } = await promisify(execFile)("python3", ["-c", script, url, `${megabytes}`], { env });
  return stdout.trim();
}
