import { boolean, certificateDemand, existingFile, optionalText } from "../parsers.ts";
import { setting } from "../setting.ts";

/** Where the router speaks TLS with clients: docs/tls.md. */
export const tlsSettings = [
  setting({
    name: "keyfile",
    section: "SSL",
    flags: ["--keyfile"],
    metavar: "FILE",
    defaultValue: null,
    parse: existingFile,
    doc: `File with the private key of \`certfile\`, in PEM; None: it is in \`certfile\` itself.

The arbiter reads it before it gives up its rights, so only root needs to be able to.`,
  }),
  setting({
    name: "certfile",
    section: "SSL",
    flags: ["--certfile"],
    metavar: "FILE",
    defaultValue: null,
    parse: existingFile,
    doc: `File with the certificate, in PEM; with it every listener speaks TLS, and no plain HTTP.

The certificates between it and the root follow it in the same file (\`fullchain.pem\`). HUP reads the files
again, for new connections.`,
  }),
  setting({
    name: "ssl_version",
    section: "SSL",
    flags: ["--ssl-version"],
    metavar: "VERSION",
    defaultValue: null,
    parse: (input) => (typeof input === "number" ? String(input) : optionalText(input)),
    doc: `Has no effect, as with Gunicorn: clients may use TLS 1.2 and 1.3.`,
  }),
  setting({
    name: "cert_reqs",
    section: "SSL",
    flags: ["--cert-reqs"],
    metavar: "0|1|2",
    defaultValue: 0,
    parse: certificateDemand,
    doc: `Whether clients need a certificate; 0: none is asked for, 1: one may be given, 2: one must be given.

One that is given must be signed by one of \`ca_certs\`, else the connection ends. Python's \`ssl.CERT_REQUIRED\`
and the like are these numbers.`,
  }),
  setting({
    name: "ca_certs",
    section: "SSL",
    flags: ["--ca-certs"],
    metavar: "FILE",
    defaultValue: null,
    parse: existingFile,
    doc: `File with the certificates, in PEM, of those who may sign certificates of clients; needed with \`cert_reqs\`.`,
  }),
  setting({
    name: "suppress_ragged_eofs",
    section: "SSL",
    flags: ["--suppress-ragged-eofs"],
    metavar: null,
    defaultValue: true,
    parse: boolean,
    doc: `Has no effect: a client may always close its connection without a goodbye in TLS.`,
  }),
  setting({
    name: "do_handshake_on_connect",
    section: "SSL",
    flags: ["--do-handshake-on-connect"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Has no effect: the router does the handshake when the client begins it, and no worker waits for that.`,
  }),
  setting({
    name: "ciphers",
    section: "SSL",
    flags: ["--ciphers"],
    metavar: "LIST",
    defaultValue: null,
    parse: optionalText,
    doc: `Ciphers for TLS 1.2, as OpenSSL writes them; None: Node's choice. Those of TLS 1.3 are always the same.`,
  }),
] as const;
