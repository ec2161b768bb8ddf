import type { KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Settings } from "../config/settings/all.ts";
import { ownUserName, reasonOf, systemCodeOf, TunicornError } from "../errors.ts";
import { makeSecureContext } from "../http/tls-server.ts";
import type { TlsSettings } from "../http/tls-settings.ts";
import type { TlsContext } from "./mold-messages.ts";

/** What the settings of TLS come to. */
export interface Tls {
  /** Null: clients speak plain HTTP. */
  readonly settings: TlsSettings | null;
  readonly warnings: readonly string[];
}

const TICKET_KEY_BYTES = 48;
const SOON_MS = 7 * 24 * 3600 * 1000;
const demands = ["none", "optional", "required"] as const;

/** Loaded only for TLS, as in tls-server.ts. */
function loadCrypto(): typeof import("node:crypto") {
  return process.getBuiltinModule("node:crypto");
}

/** What is to be read: by the settings, or by the hook ssl_context, whose word is the last. */
interface Wanted {
  readonly certfile: string;
  /** Null: the key is in `certfile`. */
  readonly keyfile: string | null;
  readonly password: string | null;
}

/**
 * Reads certificate, key and authorities, and tries whether TLS can be spoken with them. `context`: what the hook
 * ssl_context asks for, if there is one. Throws ERR_TLS.
 */
export function readTls(settings: Settings, context: TlsContext | null, now: number = Date.now()): Tls {
  const { certfile, keyfile } = settings;
  if (certfile === null && keyfile === null) return { settings: null, warnings: vainWarnings(settings) };
  const wanted = context?.chain ?? (certfile === null ? null : { certfile, keyfile, password: null });
  if (wanted === null) {
    throw new TunicornError("ERR_TLS", `keyfile is ${keyfile}, but there is no certfile`, {
      hint: "Name the file with the certificate: --certfile FILE",
    });
  }
  const { certificate, key, leaf } = readPair(wanted);
  const ciphers = context === null ? settings.ciphers : context.ciphers;
  const authorities = context === null ? readAuthorities(settings) : context.authorities;
  const clientCertificate = demands[context?.verifyMode ?? settings.cert_reqs];
  if (clientCertificate !== "none" && authorities === null) throw nobodyMaySign(clientCertificate);
  const tls: TlsSettings = {
    certificate,
    key,
    authorities,
    ciphers,
    minVersion: context?.minVersion ?? "TLSv1.2",
    maxVersion: context?.maxVersion ?? "TLSv1.3",
    clientCertificate,
    ticketKeys: loadCrypto().randomBytes(TICKET_KEY_BYTES).toString("base64"),
  };
  try {
    makeSecureContext(tls);
  } catch (error) {
    throw unusable(error, ciphers);
  }
  return { settings: tls, warnings: dateWarnings(leaf, wanted.certfile, now) };
}

/** A certificate and the key that belongs to it, both in PEM. */
function readPair({ certfile, keyfile, password }: Wanted): {
  readonly certificate: string;
  readonly key: string;
  readonly leaf: X509Certificate;
} {
  const certificate = readPem("certfile", certfile);
  const leaf = parseCertificate("certfile", certfile, certificate);
  const keyPath = keyfile ?? certfile;
  const key = parseKey(keyPath, keyfile === null ? certificate : readPem("keyfile", keyfile), password);
  if (!leaf.checkPrivateKey(key)) {
    throw new TunicornError(
      "ERR_TLS",
      `The key in ${keyPath} does not belong to the first certificate in ${certfile}`,
      { hint: "The server's own certificate has to stand before those that lead to the root" },
    );
  }
  return { certificate, key: key.export({ type: "pkcs8", format: "pem" }).toString(), leaf };
}

function readAuthorities({ ca_certs: path }: Settings): string | null {
  if (path === null) return null;
  const authorities = readPem("ca_certs", path);
  parseCertificate("ca_certs", path, authorities);
  return authorities;
}

function nobodyMaySign(clientCertificate: TlsSettings["clientCertificate"]): TunicornError {
  return new TunicornError(
    "ERR_TLS",
    `Certificates of clients are ${clientCertificate}, but nobody is named who may sign them`,
    { hint: "Name a file with the authorities' certificates: --ca-certs FILE (a folder does not count)" },
  );
}

/** Who says these without a certificate may believe to be protected. */
function vainWarnings({ ca_certs: authorities, cert_reqs: demand }: Settings): readonly string[] {
  const named = [authorities === null ? "" : "ca_certs", demand === 0 ? "" : "cert_reqs"].filter(Boolean);
  if (named.length === 0) return [];
  return [`${named.join(" and ")} without certfile: no TLS is spoken, and no certificate is asked for`];
}

function readPem(setting: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const isDenied = systemCodeOf(error) === "EACCES";
    throw new TunicornError("ERR_TLS", `Cannot read ${setting} ${path}: ${reasonOf(error)}`, {
      cause: error,
      hint: isDenied
        ? `Let the user ${ownUserName()}, who starts the server, read it`
        : `${setting} names a file in PEM`,
    });
  }
}

function parseCertificate(setting: string, path: string, pem: string): X509Certificate {
  try {
    const { X509Certificate } = loadCrypto();
    return new X509Certificate(pem);
  } catch (error) {
    throw new TunicornError("ERR_TLS", `${setting} ${path} has no certificate in PEM`, {
      cause: error,
      hint: "It should have a line -----BEGIN CERTIFICATE-----",
    });
  }
}

function parseKey(path: string, pem: string, password: string | null): KeyObject {
  try {
    return loadCrypto().createPrivateKey({
      key: pem,
      ...(password === null ? {} : { passphrase: password }),
    });
  } catch (error) {
    throw new TunicornError("ERR_TLS", `${path} has no private key that can be read`, {
      cause: error,
      hint: hintForKey(path, pem),
    });
  }
}

function hintForKey(path: string, pem: string): string {
  if (/ENCRYPTED/.test(pem)) {
    return `It is encrypted, and nobody is asked for its password. Decrypt it: openssl pkey -in ${path} -out KEYFILE`;
  }
  if (/BEGIN CERTIFICATE/.test(pem))
    return "It has a certificate. Name the file with the key: --keyfile FILE";
  return "It should have a line -----BEGIN PRIVATE KEY-----";
}

function unusable(error: unknown, ciphers: string | null): TunicornError {
  if (ciphers !== null && /cipher/i.test(reasonOf(error))) {
    return new TunicornError("ERR_TLS", `OpenSSL knows none of the ciphers "${ciphers}"`, {
      cause: error,
      hint: "See what it knows: openssl ciphers -v",
    });
  }
  return new TunicornError("ERR_TLS", `TLS cannot be spoken with this certificate: ${reasonOf(error)}`, {
    cause: error,
    hint: "Clients would be refused; try the files with openssl s_server",
  });
}

function dateWarnings(certificate: X509Certificate, path: string, now: number): readonly string[] {
  const { validFrom, validTo } = certificate;
  if (Date.parse(validTo) <= now)
    return [`The certificate in ${path} has expired: it was valid until ${validTo}`];
  if (Date.parse(validFrom) > now)
    return [`The certificate in ${path} is not valid yet: only from ${validFrom}`];
  if (Date.parse(validTo) - now > SOON_MS) return [];
  return [`The certificate in ${path} expires soon: it is valid until ${validTo}`];
}
