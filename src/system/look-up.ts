import { ipVersion } from "./ip-version.ts";

/** The address of a host. Only names need Node's resolver, which most starts need not load. Rejects as dns.lookup() does. */
export async function lookUp(host: string): Promise<string> {
  if (ipVersion(host) !== 0) return host;
  const { lookup } = await import("node:dns/promises");
  return (await lookup(host)).address;
}
