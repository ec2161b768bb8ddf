/** The bodies that the applications of `bench/apps` must give, written down a second time on purpose. */

export const HELLO = Buffer.from("Hello, World!");

export const MEBIBYTE = Buffer.alloc(1024 * 1024, "0123456789abcdef");

export const JSON_ITEM = '{"id":7,"message":"Hello, World!","tags":["a","b","c"]}';

/** Twenty rows through Jinja, each with a name to escape; Jinja drops the last line break. */
export const FLASK_PAGE = page(
  "Catalogue &amp; more",
  count(20).map((number) => `<li id="item-${number}">Item ${number} &lt;${number * 3}&gt;</li>`),
).trimEnd();

/** The ten dearest of the thousand items of which the even ones are in stock, at a tenth of their number. */
export const DJANGO_PAGE = page(
  "The ten dearest",
  count(10)
    .map((rank) => 1002 - 2 * rank)
    .map((number) => `<li>Item &amp; thing ${number}: ${(number / 10).toFixed(1)}</li>`),
);

function page(title: string, rows: readonly string[]): string {
  const lines = rows.map((row) => `  ${row}\n`).join("");
  return `<!doctype html>\n<title>${title}</title>\n<h1>${title}</h1>\n<ul>\n${lines}</ul>\n`;
}

function count(last: number): readonly number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}
