/** Where a setting deliberately differs from Gunicorn's of the same name, and why. */
export interface Difference {
  /** Flags that stand beside Gunicorn's own. */
  readonly furtherFlags?: readonly string[];
  /** Our default, where it is another. */
  readonly defaultValue?: unknown;
  readonly reason: string;
}

const STARTER = "Gunicorn's default is the id of whoever starts it, which is what null means";

export const differences: Readonly<Record<string, Difference>> = {
  limit_request_field_size: {
    furtherFlags: ["--limit-request-field-size"],
    reason: "Gunicorn's flag has an underscore where every other one has a hyphen; both are taken",
  },
  user: { defaultValue: null, reason: STARTER },
  group: { defaultValue: null, reason: STARTER },
  ssl_version: { defaultValue: null, reason: "Gunicorn itself ignores it" },
  control_socket: { defaultValue: null, reason: "There is no control socket" },
  control_socket_disable: { defaultValue: true, reason: "There is no control socket" },
};
