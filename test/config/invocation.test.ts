import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import {
  type ConfigFileReport,
  configurableNames,
  earlyValue,
  findConfigFile,
  type Invocation,
  mergeSettings,
} from "../../src/config/invocation.ts";
import type { Layer } from "../../src/config/layers.ts";
import type { SettingName } from "../../src/config/settings/all.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

type Values = Readonly<Partial<Record<SettingName, unknown>>>;

interface Called {
  readonly environment?: NodeJS.ProcessEnv;
  readonly workingFolder?: string;
  readonly environmentArguments?: Values;
  readonly commandLine?: Values;
  readonly application?: string;
  readonly isEmbedded?: boolean;
}

function called(how: Called = {}): Invocation {
  return {
    environment: how.environment ?? {},
    workingFolder: how.workingFolder ?? "/nonexistent",
    environmentArguments: layer("GUNICORN_CMD_ARGS", how.environmentArguments),
    commandLine: layer("the command line", how.commandLine),
    application: how.application ?? null,
    isEmbedded: how.isEmbedded ?? false,
  };
}

function layer(source: string, values: Values = {}): Layer {
  return { source, values: new Map(Object.entries(values) as [SettingName, unknown][]) };
}

function file(
  values: Readonly<Record<string, unknown>>,
  slips: Readonly<Record<string, string>> = {},
  annotated: readonly string[] = [],
): ConfigFileReport {
  return { location: "/srv/gunicorn.conf.py", values, slips, annotated };
}

test("earlyValue() takes the command line before GUNICORN_CMD_ARGS", () => {
  const both = called({ commandLine: { python: "a" }, environmentArguments: { python: "b", config: "c" } });
  assert.equal(earlyValue(both, "python"), "a");
  assert.equal(earlyValue(both, "config"), "c");
  assert.equal(earlyValue(both, "chdir"), null);
});

test("findConfigFile() takes gunicorn.conf.py of the working folder if it is there", async (t) => {
  const folder = await temporaryFolder(t, { "gunicorn.conf.py": "" });
  assert.equal(findConfigFile(called({ workingFolder: folder })), join(folder, "gunicorn.conf.py"));
  assert.equal(findConfigFile(called({ workingFolder: join(folder, "..") })), null);
});

test("findConfigFile() of a program takes no file that is not named", async (t) => {
  const workingFolder = await temporaryFolder(t, { "gunicorn.conf.py": "" });
  assert.equal(findConfigFile(called({ workingFolder, isEmbedded: true })), null);
  const commandLine = { config: "gunicorn.conf.py" };
  assert.equal(
    findConfigFile(called({ workingFolder, isEmbedded: true, commandLine })),
    join(workingFolder, "gunicorn.conf.py"),
  );
});

const named: readonly { readonly config: string; readonly location: string }[] = [
  { config: "conf/app.py", location: "/srv/shop/conf/app.py" },
  { config: "./app.py", location: "/srv/shop/app.py" },
  { config: "../app.py", location: "/srv/app.py" },
  { config: "/etc/app.py", location: "/etc/app.py" },
  { config: "file:/etc/app.py", location: "/etc/app.py" },
  { config: "file:app.py", location: "/srv/shop/app.py" },
  { config: "python:shop.conf", location: "python:shop.conf" },
];

for (const { config, location } of named) {
  test(`findConfigFile() finds --config ${config} at ${location}, whether it is there or not`, () => {
    const invocation = called({ workingFolder: "/srv/shop", commandLine: { config } });
    assert.equal(findConfigFile(invocation), location);
  });
}

test("findConfigFile() takes --config of GUNICORN_CMD_ARGS too, after the command line's", () => {
  const workingFolder = "/srv";
  const environmentArguments = { config: "a.py" };
  assert.equal(findConfigFile(called({ workingFolder, environmentArguments })), "/srv/a.py");
  const commandLine = { config: "b.py" };
  assert.equal(findConfigFile(called({ workingFolder, environmentArguments, commandLine })), "/srv/b.py");
});

test("mergeSettings() ranks the sources: environment, file, GUNICORN_CMD_ARGS, command line", () => {
  const sources = {
    environment: { WEB_CONCURRENCY: "2" },
    environmentArguments: { workers: "4" },
    commandLine: { workers: "5" },
  };
  const { environment, environmentArguments } = sources;
  const inFile = file({ workers: 3 });
  const workers = (how: Called, report: ConfigFileReport | null): number =>
    mergeSettings(called(how), report).settings.workers;
  assert.equal(workers({}, null), 1);
  assert.equal(workers({ environment }, null), 2);
  assert.equal(workers({ environment }, inFile), 3);
  assert.equal(workers({ environment, environmentArguments }, inFile), 4);
  assert.equal(workers(sources, inFile), 5);
});

test("mergeSettings() lets a worker class of the user's own say what holds, over all other sources", () => {
  const how = called({ commandLine: { workers: "5", timeout: "7" } });
  const { settings } = mergeSettings(how, file({ workers: 3 }), layer("its class", { workers: 9 }));
  assert.deepEqual([settings.workers, settings.timeout], [9, 7]);
});

test("mergeSettings() takes the loggers of a PasteDeploy file where nobody says otherwise", async (t) => {
  const ini = "app.ini";
  const folder = await temporaryFolder(t, {
    [ini]: "[loggers]\nkeys = root\n",
    "plain.ini": "[app:main]\n",
    "log.conf": "",
  });
  const logconfig = (values: Values): string | null =>
    mergeSettings(called({ workingFolder: folder, commandLine: values }), null).settings.logconfig;
  assert.equal(logconfig({ paste: ini }), join(folder, ini));
  assert.equal(logconfig({ paste: `${ini}#admin` }), join(folder, ini));
  assert.equal(logconfig({ paste: "plain.ini" }), null);
  assert.equal(logconfig({ paste: ini, logconfig: join(folder, "log.conf") }), join(folder, "log.conf"));
});

test("mergeSettings() reads paths of every source from where it was called", async (t) => {
  const folder = await temporaryFolder(t, { "inner/app.ini": "", "tmp/x": "", "a.txt": "", "b.txt": "" });
  for (const [commandLine, inFile] of [
    [true, false],
    [false, true],
  ]) {
    const values = {
      chdir: "inner",
      worker_tmp_dir: "tmp",
      tmp_upload_dir: "tmp",
      paste: "inner/app.ini",
      reload_extra_files: ["a.txt", join(folder, "b.txt")],
    };
    const how = called({ workingFolder: folder, ...(commandLine ? { commandLine: values } : {}) });
    const { settings } = mergeSettings(how, inFile ? file(values) : null);
    assert.equal(settings.chdir, join(folder, "inner"));
    assert.equal(settings.worker_tmp_dir, join(folder, "tmp"));
    assert.equal(settings.tmp_upload_dir, join(folder, "tmp"));
    assert.equal(settings.paste, join(folder, "inner/app.ini"));
    assert.deepEqual(settings.reload_extra_files, [join(folder, "a.txt"), join(folder, "b.txt")]);
  }
});

test("mergeSettings() takes an empty PasteDeploy file for none", () => {
  assert.equal(mergeSettings(called(), file({ paste: "" })).settings.paste, null);
});

test("mergeSettings() takes the application of the command line before that of the file", () => {
  const inFile = file({ wsgi_app: "shop:app" });
  assert.equal(mergeSettings(called(), null).settings.wsgi_app, null);
  assert.equal(mergeSettings(called(), inFile).settings.wsgi_app, "shop:app");
  assert.equal(mergeSettings(called({ application: "run:app" }), inFile).settings.wsgi_app, "run:app");
});

test("mergeSettings() warns of an access log format that another server knows, where there is an access log", () => {
  const format = { access_log_format: '%h "%r"' };
  assert.deepEqual(mergeSettings(called(), file(format)).warnings, []);
  assert.deepEqual(mergeSettings(called(), file({ ...format, accesslog: "-" })).warnings, [
    'access_log_format: "%h" stands in each line as it is. Atoms are written as %(h)s',
  ]);
});

test("mergeSettings() has no warnings about a file that sets to nothing what only the command line may say", () => {
  const inFile = file({ config: null, python: null, check_config: false });
  assert.deepEqual(mergeSettings(called(), inFile).warnings, []);
});

test("mergeSettings() has no warnings about a file that says what has an effect", () => {
  assert.deepEqual(mergeSettings(called(), file({ workers: 2, bind: "127.0.0.1:1" })).warnings, []);
  assert.deepEqual(mergeSettings(called(), null).warnings, []);
});

test("mergeSettings() warns of what the file says in vain, and goes on", () => {
  const inFile = file(
    { workers: 2, dirty_workers: 2, config: "other.py", python: "/usr/bin/python3" },
    { worker: "workers", tiemout: "timeout" },
    ["threads"],
  );
  const { settings, warnings } = mergeSettings(called({ commandLine: { python: "/opt/python" } }), inFile);
  assert.equal(settings.workers, 2);
  assert.equal(settings.python, "/opt/python");
  // worker is a variable of the file's own, since workers is there too.
  assert.equal(warnings.length, 5);
  for (const said of [
    /gunicorn\.conf\.py.*dirty_workers has no effect yet/,
    /config has an effect only on the command line/,
    /python has an effect only on the command line/,
    /no setting tiemout\. Did you mean timeout\?/,
    /"threads: \.\.\." is a type annotation and sets nothing\. Write "threads = \.\.\."/,
  ]) {
    assert.ok(
      warnings.some((warning) => said.test(warning)),
      `${said} in\n${warnings.join("\n")}`,
    );
  }
});

test("mergeSettings() names the file when a value in it is wrong", () => {
  assert.throws(() => mergeSettings(called(), file({ workers: "many" })), {
    code: "ERR_SETTING_VALUE",
    message: /workers from \/srv\/gunicorn\.conf\.py: "many"/,
  });
});

for (const worker_class of ["sync", "gunicorn.workers.sync.SyncWorker"]) {
  test(`mergeSettings() takes the worker class ${worker_class}`, () => {
    assert.equal(mergeSettings(called(), file({ worker_class })).settings.worker_class, worker_class);
  });
}

test("mergeSettings() says of a worker class that it is not there, and what to do", () => {
  assert.throws(() => mergeSettings(called({ commandLine: { worker_class: "gaiohttp" } }), null), {
    code: "ERR_WORKER_CLASS",
    message: /"gaiohttp"/,
    hint: /-k sync/,
  });
});

test("configurableNames has every name once", () => {
  assert.equal(new Set(configurableNames).size, configurableNames.length);
});
