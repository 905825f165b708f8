import { hostname } from "node:os";
import { expect, test } from "vitest";
import { remotePlatformUrl, servesApi } from "../../src/config/listeners.ts";

const tls = { cert: undefined, key: undefined };

function served(url: string | undefined, enabled?: boolean) {
  const api = { host: "10.9.8.7", port: 8080, trusted_proxies: [], tls, url, enabled };
  // Undefined keys are as good as none.
  const config = { api } as unknown as Parameters<typeof servesApi>[0];
  return { serves: servesApi(config), remote: remotePlatformUrl(config) };
}

test.each([
  undefined,
  "http://127.0.0.1:8080",
  "http://localhost:8080/",
  "http://[::1]:8080",
  "http://10.9.8.7:8080",
  `http://${hostname().toUpperCase()}:8080`,
])("an agent whose api.url is %s serves the API itself", (url) => {
  expect(served(url)).toEqual({ serves: true, remote: undefined });
});

test.each([
  ["http://127.0.0.1:8081", "http://127.0.0.1:8081"],
  ["http://platform.example:8080/api", "http://platform.example:8080"],
  ["https://10.9.8.7", "https://10.9.8.7"],
])("an agent whose api.url is %s serves none: that is another platform", (url, remote) => {
  expect(served(url)).toEqual({ serves: false, remote });
});

test("api.enabled decides what the URL alone cannot tell", () => {
  expect(served("http://proxy.example:443", true)).toEqual({ serves: true, remote: undefined });
  expect(served("http://127.0.0.1:8080", false)).toEqual({ serves: false, remote: "http://127.0.0.1:8080" });
  expect(served(undefined, false)).toEqual({ serves: false, remote: undefined });
});
