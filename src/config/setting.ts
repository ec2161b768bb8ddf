/**
 * A setting is one record. From the records come the command line, `--help`, validation, the type
 * `Settings`, `--print-config` and what the configuration file may say.
 *
 * A setting keeps its Gunicorn spelling (`graceful_timeout`) everywhere, so that one search finds all of it.
 */
export interface Setting<Name extends string, Value> {
  readonly name: Name;
  readonly section: Section;
  /** Command-line flags, the long ones first; none: configuration file only. */
  readonly flags: readonly string[];
  /** How `--help` names the value; in brackets if it may be left out, null for a switch. */
  readonly metavar: string | null;
  /** What a switch means when it is given; true unless it is said. */
  readonly switchValue?: boolean;
  /** The flag may be given several times, and the values add up. */
  readonly isRepeatable?: boolean;
  /** Value when nothing says otherwise; written in the units of the setting. */
  readonly defaultValue: NoInfer<Value>;
  /** Environment variable that replaces the default. */
  readonly environment?: { readonly variable: string; readonly toValue: (text: string) => unknown };
  /** Turns what a user wrote into a value. Throws a WantedError that says what was wanted. */
  readonly parse: (input: unknown) => Value;
  /** Meaning, what it is not, and the harm of a bad value. The first line stands in `--help`. */
  readonly doc: string;
  /** Not a setting of Gunicorn but of tunicorn alone. */
  readonly isOwn?: boolean;
}

export const sections = [
  "Config File",
  "Server Socket",
  "Worker Processes",
  "Security",
  "Debugging",
  "Server Mechanics",
  "Logging",
  "Process Naming",
  "SSL",
] as const;

export type Section = (typeof sections)[number];

/** Declares a setting; it only fixes the types. */
export function setting<const Name extends string, Value>(
  record: Setting<Name, Value>,
): Setting<Name, Value> {
  return record;
}

/** A value that a setting cannot take. The message continues the sentence "want ...". */
export class WantedError extends Error {
  constructor(wanted: string, options?: ErrorOptions) {
    super(wanted, options);
    this.name = "WantedError";
  }
}
