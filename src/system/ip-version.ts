import { isIPv4, SocketAddress } from "node:net";

/**
 * 4 or 6 for an IP address, 0 for any other text. As isIP() of Node, which compiles a large pattern for its first
 * IPv6 address: 4 ms of each start, for the addresses that are in the settings anyhow.
 */
export function ipVersion(text: string): 0 | 4 | 6 {
  if (!text.includes(":")) return isIPv4(text) ? 4 : 0;
  try {
    return new SocketAddress({ address: text, family: "ipv6" }).family === "ipv6" ? 6 : 0;
  } catch {
    return 0;
  }
}
