// What `npm run bench -- --docs` writes from one report: docs/performance.json, pictures, and the tables of the pages.
import {
  bundleGoals,
  byteGoals,
  kernelGoals,
  migrationGoals,
  replicationGoals,
  storeGoals,
} from './goals.js';
import { plots } from './plots.js';
import type { Report } from './report.js';
import {
  formatTable,
  goalTable,
  limitTable,
  orderTable,
  profileTable,
  provenance,
  sizeTable,
} from './tables.js';

/** Where the report is kept that the pages show. */
export const reportPath = 'docs/performance.json';

/** A report as a file. */
export function keep(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

/**
 * Every file that shows results, by path, as it should be: made of this report and, where people write the rest of a page, of that page
 * as it is. A picture without results is left out.
 */
export function rendered(
  report: Report,
  read: (path: string) => string,
): ReadonlyMap<string, string> {
  const { results } = report;
  const pictures = plots.map((plot) => ({ ...plot, picture: plot.draw(results) }));
  const files = new Map([[reportPath, keep(report)]]);
  for (const { file, picture } of pictures) {
    if (picture !== undefined) files.set(`docs/${file}.svg`, picture);
  }
  const fill = (page: string, blocks: readonly Block[]) =>
    files.set(
      page,
      blocks.reduce((text, [name, block]) => between(text, name, block), read(page)),
    );
  fill('README.md', [['bench', `${provenance(report)}\n\n${formatTable(results, 'first')}`]]);
  fill('docs/performance.md', [
    ['provenance', provenance(report)],
    ['limits', limitTable(results)],
    ['kernels', goalTable(kernelGoals, results)],
    ['bytes', goalTable(byteGoals, results)],
    ['migrations', goalTable(migrationGoals, results)],
    ['stores', goalTable(storeGoals, results)],
    ['bundles', goalTable(bundleGoals, results)],
    ['replication', goalTable(replicationGoals, results)],
    ['peers', formatTable(results)],
    ['profile', profileTable(results)],
    ['order', orderTable(results)],
    ['sizes', sizeTable(results)],
    ...pictures.map(({ file, shows, picture }): Block => {
      return [file, picture === undefined ? `${shows}: not measured.` : `![${shows}](${file}.svg)`];
    }),
  ]);
  return files;
}

/** What goes between the marks of this name. */
type Block = readonly [name: string, content: string];

/** `page` with `content` between its marks `<!-- NAME -->` and `<!-- /NAME -->`. RangeError unless each is there once. */
export function between(page: string, name: string, content: string): string {
  const [before, rest, ...more] = page.split(`<!-- ${name} -->`);
  const [, after, ...again] = rest?.split(`<!-- /${name} -->`) ?? [];
  if (before === undefined || after === undefined || more.length + again.length > 0) {
    throw new RangeError(`no place, or more than one, for ${name}`);
  }
  return `${before}<!-- ${name} -->\n${content}\n<!-- /${name} -->${after}`;
}
