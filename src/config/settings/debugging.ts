import { boolean } from "../parsers.ts";
import { setting } from "../setting.ts";

export const debuggingSettings = [
  setting({
    name: "check_config",
    section: "Debugging",
    flags: ["--check-config"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Check the settings, load the application, and exit: 0 if all is well.`,
  }),
  setting({
    name: "print_config",
    section: "Debugging",
    flags: ["--print-config"],
    metavar: null,
    defaultValue: false,
    parse: boolean,
    doc: `Print every setting as it holds, load the application, and exit.`,
  }),
] as const;
