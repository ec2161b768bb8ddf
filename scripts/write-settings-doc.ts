/** Writes docs/settings.md from the settings records: `npm run docs`. A test compares the page with what this makes. */
import { writeFileSync } from "node:fs";
import { allSettings } from "../src/config/settings/all.ts";
import { hookNames, hooksNotYet } from "../src/config/settings/hooks.ts";
import { settingsNotYet } from "../src/config/settings/not-yet.ts";
import { sections } from "../src/config/setting.ts";

type SettingRecord = (typeof allSettings)[number];

/** The whole page. */
export function settingsPage(): string {
  const parts = sections.map((section) => sectionText(section));
  return `<!-- Made by scripts/write-settings-doc.ts from src/config/settings/. Do not edit: run \`npm run docs\`. -->

# Settings

Every setting may stand in the configuration file under its name. Sources, the weakest first: defaults and environment variables,
the configuration file, \`GUNICORN_CMD_ARGS\`, the command line. Long flags may be abbreviated as long as it is clear which is meant.
An unknown name in the configuration file that looks like a slip gives a warning with the name that was probably meant. Settings that Gunicorn does not have are marked **own**.

${parts.join("\n")}
## Hooks

Functions of the configuration file that the server calls: ${listed(hookNames)}. [hooks.md](hooks.md) says when each is called, in which
process, and with what.

## Not yet

Known by name and flag. Using one gives a warning; one that asks for TLS (\`certfile\`, \`keyfile\`, \`ca_certs\`) ends the
start, since plain HTTP in its place would be worse.

${[...settingsNotYet, ...hooksNotYet].map((name) => `- \`${name}\``).join("\n")}
`;
}

function listed(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(", ");
}

function sectionText(section: string): string {
  const records = allSettings.filter((record) => record.section === section);
  return `## ${section}\n\n${records.map((record) => recordText(record)).join("\n")}`;
}

function recordText(record: SettingRecord): string {
  const value = record.metavar === null ? "" : ` ${record.metavar}`;
  const flags = record.flags.map((flag) => `\`${flag}${value}\``).join(", ");
  const facts = [
    flags === "" ? "Configuration file only" : flags,
    `default \`${defaultText(record)}\``,
    ...("environment" in record && record.environment
      ? [`environment \`${record.environment.variable}\``]
      : []),
    ...("isOwn" in record && record.isOwn ? ["**own**"] : []),
  ];
  return `### ${record.name}\n\n${facts.join(" · ")}\n\n${docText(record.doc)}\n`;
}

/** What depends on the machine is described instead of shown. */
function defaultText(record: SettingRecord): string {
  return record.name === "chdir" ? "the folder it is called in" : JSON.stringify(record.defaultValue);
}

function docText(doc: string): string {
  return doc.replace(/ \(here [^)]*\)/, "");
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(new URL("../docs/settings.md", import.meta.url), settingsPage());
}
