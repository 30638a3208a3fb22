import type { LinkBasis, Outlook, Prospect } from '../migration/prospect.js';
import { escapeControls } from './escape.js';
import { formatBytes, formatCount, formatMs, formatRate, formatSize, plural } from './format.js';

const basisText: Readonly<Record<LinkBasis, string>> = {
  given: 'as given',
  loopback: 'as measured on loopback: give the real one',
};

/** A prediction in lines for people. */
export function describeProspect(file: string, prospect: Prospect): string[] {
  const { totalBytes, sampledShare, watchedMs, link, writes, ifPaused } = prospect;
  const looked =
    sampledShare < 1 ? `${percent(sampledShare)} of it looked at` : 'all of it looked at';
  const watched = watchedMs > 1 ? `watched for ${formatMs(watchedMs)}, ` : '';
  const lines = [
    `${escapeControls(file)}: ${formatSize(totalBytes)}, ${watched}${looked}`,
    row('link', `${formatRate(link.bytesPerSecond)} ${basisText[link.bytesPerSecondFrom]}`),
    row('round trip', `${formatMs(link.rttMs)} ${basisText[link.rttFrom]}`),
  ];
  if (watchedMs > 1) lines.push(row('writes', writesText(writes)));
  lines.push('', ...outlookLines(prospect));
  if (ifPaused !== null) {
    lines.push('', 'with its writer stopped for the last round (--pause-pid, --pause-cmd)');
    lines.push(...outlookLines(ifPaused));
  }
  return lines;
}

function outlookLines(outlook: Outlook): string[] {
  const { converges, rounds, perRound, pagesSent, bytesSent, totalMs, downtimeMs } = outlook;
  const lines = perRound
    .slice(0, 4)
    .map(({ round, pages, bytes, durationMs }) =>
      row(
        `round ${round}`,
        `${plural(Math.round(pages), 'page')} as ${formatBytes(bytes)} in ${formatMs(durationMs)}`,
      ),
    );
  if (rounds > lines.length)
    lines.push(row('', `and ${plural(rounds - lines.length, 'more round')}`));
  if (!converges) {
    return [...lines, row('in all', `it would not converge: given up after ${formatMs(totalMs)}`)];
  }
  if (downtimeMs !== null) lines.push(row('pause', formatMs(downtimeMs)));
  const sum = `${plural(pagesSent, 'page')} as ${formatBytes(bytesSent)} in ${plural(rounds, 'round')} and ${formatMs(totalMs)}`;
  return [...lines, row('in all', sum)];
}

function writesText(writes: Prospect['writes']): string {
  if (writes === null) return 'nothing was written';
  const pages = formatCount(Math.round(writes.pagesPerSecond));
  return `${pages} different pages within a second, ${formatBytes(writes.bytesPerPage)} each when sent again`;
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(12)} ${text}`;
}

function percent(share: number): string {
  return `${(share * 100).toPrecision(2)} %`;
}
