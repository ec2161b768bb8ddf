import type { RequestHead } from "../http/request-head.ts";
import type { Client, TrustedPeers } from "./client.ts";
import { isUnderscoreNamePassedOn, noteScheme, type TrustedWord } from "./field-policy.ts";
import type { RouterSettings } from "./messages.ts";
import { frontScriptName, liesUnder, outsideScriptName } from "./script-name.ts";

/** What the head of an ASGI request is made of. */
export interface AsgiHeadInput {
  readonly head: RequestHead;
  readonly client: Client;
  readonly settings: RouterSettings;
  readonly trustedPeers: TrustedPeers;
  readonly isWebSocket: boolean;
}

/**
 * Cooks the head of a request for an ASGI application, as frame.md draws it, in latin-1. Fields keep their order and
 * their repetitions. Throws a fault when two scheme headers disagree, or when a header name is refused.
 */
export function cookAsgiHead(input: AsgiHeadInput): string {
  const { head, client, isWebSocket } = input;
  const word: TrustedWord = { scheme: null, scriptName: "" };
  const fields = fieldsText(input, word);
  const isSecure = (word.scheme ?? client.scheme) === "https";
  const scheme = `${isWebSocket ? "ws" : "http"}${isSecure ? "s" : ""}`;
  const [address, port] = clientOf(input);
  const rootPath = rootPathOf(input, word.scriptName);
  return (
    `${head.method}\0${versionOf(head)}\0${scheme}\0${rootPath}` +
    `\0${pathUnder(rootPath, head.path)}\0${head.query}\0${address}\0${port}\0${serverText(input)}${fields}`
  );
}

/** HTTP/2 has no minor version. */
function versionOf({ protocol }: RequestHead): string {
  return protocol === "HTTP/2.0" ? "2" : protocol.slice("HTTP/".length);
}

function fieldsText(input: AsgiHeadInput, word: TrustedWord): string {
  const { names, values, host } = input.head;
  let text = "";
  for (let index = 0; index < names.length; index += 1) {
    const lower = names[index]?.lower ?? "";
    const value = values[index] ?? "";
    if (lower.includes("_") && !isUnderscoreNamePassedOn(lower, value, input, word)) continue;
    noteScheme(lower, value, input, word);
    // An absolute target names the host, whatever the field says (RFC 9112 section 3.2.2).
    text += `\0${lower}\0${lower === "host" ? host : value}`;
  }
  return text;
}

/** A trusted SCRIPT_NAME field must fit the path, as for WSGI; what is set holds for a path without it as well. */
function rootPathOf({ head, settings }: AsgiHeadInput, scriptName: string): string {
  if (scriptName === "") return frontScriptName(head) ?? settings.application.rootPath;
  if (liesUnder(scriptName, head.path)) return scriptName;
  throw outsideScriptName(scriptName, head.path);
}

/** The path begins with the root path, whether or not a proxy has taken it off (ASGI, HTTP connection scope). */
function pathUnder(rootPath: string, path: string): string {
  return liesUnder(rootPath, path) || !path.startsWith("/") ? path : rootPath + path;
}

function serverText({ head, client: { listener } }: AsgiHeadInput): string {
  if (listener.serverName !== null)
    return `${listener.serverName}\0${portOf(listener.serverPort ?? "", head, "")}`;
  return `${Buffer.from(listener.url.replace(/^unix:/, "")).toString("latin1")}\0`;
}

/** Address and port; "" and "" for nobody. */
function clientOf({ head, client, settings, trustedPeers }: AsgiHeadInput): readonly [string, string] {
  if (settings.application.takesForwardedClient && client.isTrusted) {
    const forwarded = head.names
      .flatMap(({ lower }, index) => (lower === "x-forwarded-for" ? [head.values[index] ?? ""] : []))
      .join(",");
    const [address, port] = forwardedClient(forwarded, trustedPeers);
    if (address !== "") return [address, port];
  }
  return [client.address, client.address === "" ? "" : portOf(client.port, head, "0")];
}

/** A front server may say anything of a port, and nginx says nothing where a header has named the client. */
function portOf(port: string, { variables }: RequestHead, unknown: string): string {
  return variables === null || /^[0-9]{1,5}$/.test(port) ? port : unknown;
}

/** The last of the list that is no trusted proxy itself, else the first; its port is mostly unknown, which is 0. */
function forwardedClient(list: string, trusted: TrustedPeers): readonly [string, string] {
  const hosts = list.split(",").map((item) => splitPort(item.trim()));
  const found = hosts.findLast(([address]) => !trusted.includes(address)) ?? hosts[0];
  return found ?? ["", "0"];
}

/** `address`, `address:port` or `[address]:port`. An IPv6 address without brackets, of several colons, has no port. */
function splitPort(text: string): readonly [string, string] {
  const match = /^\[(.*)\](?::([0-9]{1,5}))?$/.exec(text) ?? /^([^:]*):([0-9]{1,5})$/.exec(text);
  const [, address = text, port = "0"] = match ?? [];
  return [address, port];
}
