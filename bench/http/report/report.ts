import type { Results } from "../results.ts";
import { WORKS } from "../works/all.ts";
import { renderChart } from "./chart.ts";
import { renderGoals } from "./goals.ts";
import { renderWork } from "./work-table.ts";

/** Everything that is printed at the end. */
export function renderReport(results: Results): string {
  const { samples, versions } = results;
  const works = WORKS.filter(({ name }) => samples.some((sample) => sample.work === name));
  const tables = works.map((work) =>
    renderWork({ work, samples: samples.filter((sample) => sample.work === work.name) }),
  );
  const goals = renderGoals(samples);
  return [
    `Python applications on ${versions["python"] ?? "Python"}, tunicorn with Node ${versions["node"] ?? ""}`,
    "",
    ...tables,
    ...(goals === "" ? [] : ["Goals, by the medians of the rounds' ratios:", "", goals]),
    ...results.leftOut.map((line) => `Left out: ${line}`),
    ...results.failures.map((line) => `ERROR: ${line}`),
    ...results.warnings,
  ].join("\n");
}

export function renderResultsChart(results: Results): string {
  const { machine, options, versions, samples } = results;
  const rounds = Math.max(...samples.map((sample) => sample.round));
  const names = ["gunicorn", "uvicorn", "granian", "uwsgi", "waitress", "bjoern"];
  const peers = names.flatMap((name) => {
    const version = versions[name]?.match(/\d+\.\d[\w.]*/)?.[0];
    return version === undefined || !samples.some(({ server }) => server.startsWith(name))
      ? []
      : [`${name} ${version}`];
  });
  return renderChart({
    works: WORKS,
    samples,
    footer: [
      `Median of ${rounds} rounds, the line from the least to the most. ${options.workers} workers each, access log to a file.`,
      `${machine.cores} cores, ${machine.processor}; load from the same machine. ` +
        `${versions["python"] ?? ""}, Node ${versions["node"] ?? ""}.`,
      `${peers.join(", ")}. ${results.startedAt.slice(0, 10)}`,
    ],
  });
}
