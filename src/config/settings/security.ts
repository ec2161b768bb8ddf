import { wholeNumber } from "../parsers.ts";
import { setting } from "../setting.ts";

export const securitySettings = [
  setting({
    name: "limit_request_line",
    section: "Security",
    flags: ["--limit-request-line"],
    metavar: "INT",
    defaultValue: 4094,
    parse: wholeNumber,
    doc: `Bytes of a request line; 0: no limit of its own. A longer one gets 414.`,
  }),
  setting({
    name: "limit_request_fields",
    section: "Security",
    flags: ["--limit-request-fields"],
    metavar: "INT",
    defaultValue: 100,
    parse: wholeNumber,
    doc: `Number of header fields of a request; 0: no limit of its own. More get 431.`,
  }),
  setting({
    name: "limit_request_field_size",
    section: "Security",
    flags: ["--limit-request-field_size", "--limit-request-field-size"],
    metavar: "INT",
    defaultValue: 8190,
    parse: wholeNumber,
    doc: `Bytes of one header field; 0: no limit of its own. A larger one gets 431.

Whatever the three limits say, a head is never larger than 1 MiB.`,
  }),
] as const;
