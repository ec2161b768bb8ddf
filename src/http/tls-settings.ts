import type { SecureVersion } from "node:tls";

/** What a router needs to speak TLS; it travels to the router as JSON. */
export interface TlsSettings {
  /** The certificate and those between it and the root, in PEM. */
  readonly certificate: string;
  /** Private key of the first one, in PEM. */
  readonly key: string;
  /** Who may sign certificates of clients, in PEM; null: nobody, and none is asked for. */
  readonly authorities: string | null;
  /** For TLS 1.2, as OpenSSL writes them; null: Node's choice. */
  readonly ciphers: string | null;
  /** The oldest and the newest version of TLS that is spoken. */
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  /** Whether clients need a certificate (`cert_reqs`). */
  readonly clientCertificate: "none" | "optional" | "required";
  /** 48 octets in base64, the same for all routers: a client may go on with its TLS session at any of them. */
  readonly ticketKeys: string;
}
