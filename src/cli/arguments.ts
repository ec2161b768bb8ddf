import { Command, CommanderError, Option } from "commander";
import { TunicornError } from "../errors.ts";
import type { Layer } from "../config/layers.ts";
import { allSettings, type SettingName } from "../config/settings/all.ts";
import { sections } from "../config/setting.ts";
import { recordsNotYet, settingsNotYet, type SettingNotYet } from "../config/settings/not-yet.ts";
import { expandAbbreviations, type Flag } from "./abbreviations.ts";
import { describeCommand, describeSlip } from "./slips.ts";

/** What a command line says. */
export interface ParsedArguments {
  readonly layer: Layer;
  /** The application named, or null. */
  readonly application: string | null;
  readonly wantsVersion: boolean;
  readonly wantsHelp: boolean;
  /** The interpreter whose `tunicorn` command called us, or null. Only that command says it. */
  readonly launcher: string | null;
}

const NOTHING_ELSE = { application: null, wantsVersion: false, wantsHelp: false, launcher: null };

type SettingRecord = (typeof allSettings)[number];

const SUMMARY = `Serves Python WSGI and ASGI applications: Gunicorn's command line, settings and signals.

  tunicorn wsgi:app                          the object app of wsgi.py, on 127.0.0.1:8000
  tunicorn -w 4 -b 0.0.0.0:8000 run:app      four workers, all addresses
  tunicorn -k asgi main:app                  an ASGI application, such as FastAPI's
  tunicorn -c gunicorn.conf.py wsgi:app      settings from a file
  tunicorn 'project:create_app("prod")'      an application factory`;

const EPILOGUE = `
Settings come from, the weakest first: defaults and environment, gunicorn.conf.py (or --config),
GUNICORN_CMD_ARGS, this command line. --print-config shows their names for the file, and what holds.
`;

/**
 * Parses arguments by the settings records. Long flags may be abbreviated. Of two flags for one setting the later
 * counts. Throws ERR_USAGE.
 */
export function parseArguments(argv: readonly string[], source: string): ParsedArguments {
  const values = new Map<SettingName, unknown>();
  const notYet = new Map<string, unknown>();
  // GUNICORN_CMD_ARGS is mostly empty, and to build a parser for it takes milliseconds.
  if (argv.length === 0) return { ...NOTHING_ELSE, layer: { source, values, notYet } };
  let command: Command;
  try {
    const words = expandAbbreviations(argv, knownFlags);
    command = makeParser(words, values, notYet);
    try {
      command.parse(words, { from: "user" });
    } catch (error) {
      // Its message also suggests flags that were not written.
      makeParser(null, values, notYet).parse(words, { from: "user" });
      throw error;
    }
  } catch (error) {
    throw usageError(error, argv, source);
  }
  const options: Record<string, unknown> = command.opts();
  for (const pair of textsOf(options["pasteSetting"])) notePasteSetting(pair, values, notYet);
  const [application, unexpected] = command.args;
  if (application !== undefined && unexpected !== undefined) {
    const message = `Two applications are named, "${application}" and "${unexpected}", want one`;
    const hint = describeCommand(application, unexpected);
    throw usageError(new TunicornError("ERR_USAGE", message, hint === null ? {} : { hint }), argv, source);
  }
  return {
    layer: { source, values, notYet },
    application: application ?? null,
    wantsVersion: options["version"] === true,
    wantsHelp: options["help"] === true,
    launcher: typeof options["launcher"] === "string" ? options["launcher"] : null,
  };
}

/** Every flag, for writing out abbreviations. */
const knownFlags: ReadonlyMap<string, Flag> = new Map([
  ...["--help", "-h", "--version", "-v"].map((flag) => flagOf(flag, flag.replace(/^-+(.).*/, "$1"), false)),
  ...allSettings.flatMap((record) => {
    const needsValue = record.metavar !== null && !record.metavar.startsWith("[");
    const isOwn = "isOwn" in record && record.isOwn;
    return record.flags.map((flag) => flagOf(flag, record.name, needsValue, isOwn));
  }),
  ...Object.entries(recordsNotYet).flatMap(([name, { flags, isSwitch }]) =>
    flags.map((flag) => flagOf(flag, name, !isSwitch)),
  ),
]);

function flagOf(flag: string, setting: string, needsValue: boolean, isOwn = false): [string, Flag] {
  return [flag, { setting, needsValue, isOwn }];
}

/** A parser that notes what is given. It knows the flags that `words` may mean, which is sooner made; null: all flags. */
function makeParser(
  words: readonly string[] | null,
  values: Map<SettingName, unknown>,
  notYet: Map<string, unknown>,
): Command {
  const command = makeCommand();
  for (const record of allSettings) {
    if (words !== null && !mayMean(words, record.flags)) continue;
    const isRepeatable = "isRepeatable" in record && record.isRepeatable;
    const switchValue = "switchValue" in record ? record.switchValue : true;
    addOptions(command, makeOptions(record), (value) =>
      note(values, record.name, value ?? switchValue, isRepeatable),
    );
  }
  for (const [name, record] of Object.entries(recordsNotYet)) {
    if (words !== null && !mayMean(words, record.flags)) continue;
    const isRepeatable = Array.isArray(record.defaultValue);
    addOptions(command, makeOptionsNotYet(record), (value) =>
      note(notYet, name, value ?? true, isRepeatable),
    );
  }
  return command;
}

/** Whether one of the words may be one of the flags: short ones stand together, and hold values. */
function mayMean(words: readonly string[], flags: readonly string[]): boolean {
  return words.some((word) =>
    word.startsWith("--")
      ? flags.includes(word.split("=", 1)[0] ?? "")
      : word.startsWith("-") && flags.some((flag) => flag.length === 2 && word.includes(flag.charAt(1))),
  );
}

function addOptions(
  command: Command,
  options: readonly Option[],
  onGiven: (value: string | null) => void,
): void {
  for (const option of options) {
    command.addOption(option);
    command.on(`option:${option.name()}`, onGiven);
  }
}

/** A flag was given: a repeatable one adds up. */
function note<Name>(
  values: Map<Name, unknown>,
  name: Name,
  value: string | boolean,
  isRepeatable: boolean,
): void {
  const before = values.get(name);
  if (isRepeatable) values.set(name, [...(Array.isArray(before) ? before : []), value]);
  else values.set(name, value);
}

/** Said by our server runner for pserve, which has settings by their names. Throws ERR_USAGE. */
function notePasteSetting(
  pair: string,
  values: Map<SettingName, unknown>,
  notYet: Map<string, unknown>,
): void {
  const [name = ""] = pair.split("=", 1);
  const value = pair.slice(name.length + 1);
  const record = allSettings.find((each) => each.name === name);
  if (record !== undefined) values.set(record.name, value);
  else if (settingsNotYet.includes(name)) notYet.set(name, value);
  else
    throw new TunicornError("ERR_USAGE", `The [server:] section says ${pair}, but there is no such setting`);
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** The text of `--help`, grouped by the sections of the settings. */
export function helpText(): string {
  const command = makeCommand();
  for (const option of allSettings.flatMap((record) => makeOptions(record))) command.addOption(option);
  const rank = new Map<string, number>(sections.map((section, index) => [`${section}:`, index]));
  command.configureHelp({
    helpWidth: 100,
    visibleOptions: (shown) => {
      const options = shown.options.filter((option) => !option.hidden);
      return options.toSorted(
        (a, b) => (rank.get(a.helpGroupHeading ?? "") ?? -1) - (rank.get(b.helpGroupHeading ?? "") ?? -1),
      );
    },
  });
  return `${command.helpInformation()}${EPILOGUE}`;
}

function makeCommand(): Command {
  return new Command("tunicorn")
    .usage("[OPTIONS] [APPLICATION]")
    .description(SUMMARY)
    .argument(
      "[APPLICATION]",
      "MODULE, MODULE:NAME or MODULE:FACTORY(); the name is application if none is given",
    )
    .allowExcessArguments()
    .helpOption(false)
    .helpCommand(false)
    .addOption(new Option("-h, --help", "show this help"))
    .addOption(new Option("-v, --version", "show the version"))
    .addOption(new Option("--launcher <INTERPRETER>").hideHelp())
    .addOption(new Option("--paste-setting <PAIR...>").hideHelp())
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
}

/** A record's flags as options: the first long flag is shown, further ones are accepted silently. */
function makeOptions(record: SettingRecord): Option[] {
  return flagGroups(record.flags).map((names, index) => {
    const option = new Option(valued(names, record.metavar), summaryOf(record));
    option.helpGroup(`${record.section}:`);
    return index > 0 ? option.hideHelp() : option;
  });
}

function makeOptionsNotYet({ flags, isSwitch }: SettingNotYet): Option[] {
  return flagGroups(flags).map((names) => new Option(valued(names, isSwitch ? null : "VALUE")).hideHelp());
}

/** The long flags, the first of them together with the short one, as commander wants them written. */
function flagGroups(flags: readonly string[]): string[] {
  const short = flags.find((flag) => !flag.startsWith("--"));
  const long = flags.filter((flag) => flag.startsWith("--"));
  return long.map((flag, index) => (index === 0 && short !== undefined ? `${short}, ${flag}` : flag));
}

function valued(names: string, metavar: string | null): string {
  if (metavar === null) return names;
  return metavar.startsWith("[") ? `${names} ${metavar}` : `${names} <${metavar}>`;
}

/** The first line of the documentation, with the default. */
function summaryOf(record: SettingRecord): string {
  const [first = ""] = record.doc.split("\n");
  const shown = shownDefault(record);
  return shown === "" ? first : `${first} [${shown}]`;
}

function shownDefault(record: SettingRecord): string {
  const value: unknown = record.name === "chdir" ? null : record.defaultValue;
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function usageError(error: unknown, argv: readonly string[], source: string): unknown {
  if (!(error instanceof CommanderError) && !(error instanceof TunicornError)) return error;
  const message = error.message.replace(/^error: /, "").replace(/\n/g, " ");
  const where = source === "the command line" ? "" : ` (in ${source})`;
  const known = error instanceof TunicornError ? error.hint : undefined;
  const slip = known ?? describeSlip(argv, knownFlags);
  return new TunicornError("ERR_USAGE", `${message.charAt(0).toUpperCase()}${message.slice(1)}${where}`, {
    hint: slip === null ? "See tunicorn --help" : `${slip}\n  See tunicorn --help`,
  });
}
