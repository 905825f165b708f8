/** A platform that mints tokens without a secret and sees of a program what a test says. */
import type { Platform, SensorToken, TokenRequest } from "../../src/sensors/ports.ts";
import type { Clock } from "../../src/time/clock.ts";

export interface FakePlatform extends Platform {
  readonly requests: readonly TokenRequest[];
  readonly revoked: readonly string[];
  /** Refuses to mint, with that reason; undefined: mints again. */
  refuse(reason: string | undefined): void;
  /** The sensor uses the newest token. */
  use(sensorRef: string): void;
  connect(sensorRef: string, count: number): void;
}

export function fakePlatform(clock: Clock, queues: Platform["queues"] = null): FakePlatform {
  const requests: TokenRequest[] = [];
  const revoked: string[] = [];
  const used = new Map<string, { readonly expiresAtMs: number; readonly atMs: number }>();
  const connections = new Map<string, number>();
  let refusal: string | undefined;
  let newest: SensorToken | undefined;
  return {
    requests,
    revoked,
    address: {
      apiUrl: "http://127.0.0.1:8080",
      notifierUrl: "ws://127.0.0.1:8080/ws",
      isInsecureNotifierAllowed: false,
    },
    tokens: {
      mint: async (request) => {
        if (refusal !== undefined) throw new Error(refusal);
        requests.push(request);
        const count = requests.length;
        const expiresAtMs = clock.nowMs() + (request.ttlSeconds ?? 86_400) * 1_000;
        newest = { token: `token-${count}`, jti: `jti-${count}`, expiresAtMs };
        return newest;
      },
      revoke: async (jti) => void revoked.push(jti),
    },
    traces: {
      newestExpiryMs: (sensorRef) => used.get(sensorRef)?.expiresAtMs,
      usedAtMs: (sensorRef) => used.get(sensorRef)?.atMs,
      rulesReadAtMs: () => undefined,
      connectionCount: (sensorRef) => connections.get(sensorRef) ?? 0,
    },
    queues,
    refuse: (reason) => void (refusal = reason),
    use: (sensorRef) =>
      void used.set(sensorRef, { expiresAtMs: newest?.expiresAtMs ?? 0, atMs: clock.monotonicMs() }),
    connect: (sensorRef, count) => void connections.set(sensorRef, count),
  };
}
