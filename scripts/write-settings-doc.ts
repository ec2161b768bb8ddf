/** Writes docs/settings.md from the settings records: `npm run docs`. A test compares the page with what this makes. */
import { writeFileSync } from "node:fs";
import { allSettings } from "../src/config/settings/all.ts";
import { hookNames, hooksNotYet } from "../src/config/settings/hooks.ts";
import { settingsNotYet } from "../src/config/settings/not-yet.ts";
import { pythonLiteral } from "../src/config/settings-text.ts";
import { sections } from "../src/config/setting.ts";

type SettingRecord = (typeof allSettings)[number];

/** The whole page. */
export function settingsPage(): string {
  const parts = sections.map((section) => sectionText(section));
  return `<!-- Made by scripts/write-settings-doc.ts from src/config/settings/. Do not edit: run \`npm run docs\`. -->

# Settings

Set them in \`gunicorn.conf.py\` under the name in the heading, or on the command line with the flag below it:

\`\`\`python
workers = 4
\`\`\`

\`\`\`sh
tunicorn --workers 4 wsgi:app
\`\`\`

Later sources win over earlier ones:

1. the default, or the environment variable that is named beside it
2. the configuration file
3. the environment variable \`GUNICORN_CMD_ARGS\`, which holds flags
4. the command line

\`tunicorn --print-config\` shows the result. **own** marks settings that Gunicorn does not have. Long flags may be abbreviated as long
as it is clear which one is meant. An unknown name in the configuration file that looks like a typing mistake gives a warning with the
name that was probably meant.

${parts.join("\n")}
## Hooks

Hooks are functions in the configuration file that the server calls: ${listed(hookNames)}. [hooks.md](hooks.md) says when each is called, in which
process, and with which arguments.

## Not yet

The names and flags of these settings are known, but have no effect. Using one gives a warning.

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
    `default ${defaultText(record)}`,
    ...("environment" in record && record.environment
      ? [`environment \`${record.environment.variable}\``]
      : []),
    ...("isOwn" in record && record.isOwn ? ["**own**"] : []),
  ];
  return `### ${record.name}\n\n${facts.join(" · ")}\n\n${docText(record.doc)}\n`;
}

/** As the configuration file would have it; what depends on the machine is described instead. */
function defaultText(record: SettingRecord): string {
  return record.name === "chdir" ? "the working folder" : `\`${pythonLiteral(record.defaultValue)}\``;
}

function docText(doc: string): string {
  return doc.replace(/ \(here [^)]*\)/, "");
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(new URL("../docs/settings.md", import.meta.url), settingsPage());
}
