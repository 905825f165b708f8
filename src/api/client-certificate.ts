/** The client's certificate of a request over TLS. */
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";

/** The names in it, such as its common name; null: the client sent none that the API trusts, or came through a proxy. */
export function certificateNames({ socket }: IncomingMessage): readonly string[] | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null;
  const { subject, subjectaltname } = socket.getPeerCertificate();
  if (subject === undefined) return null;
  // Each is like `DNS:sender.example`; a value in quotes is one that could be mistaken for several.
  const alternatives = (subjectaltname ?? "").split(", ").filter((name) => !name.includes('"'));
  const names = [subject.CN, ...alternatives.map((name) => name.slice(name.indexOf(":") + 1))];
  return names.flat().flatMap((name) => (name === undefined || name === "" ? [] : [name]));
}
