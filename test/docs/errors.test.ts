import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { adviceFor } from '../../src/cli/advice.js';
import { exitCodeOf, Failure } from '../../src/cli/failure.js';
import { type FerryErrorCode, ferryErrorCodes } from '../../src/errors.js';

interface Row {
  readonly code: string;
  readonly when: string;
  readonly retryable: string;
  readonly exit: string;
  readonly todo: string;
}

const rows: readonly Row[] = read('docs/errors.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| code |'))
  .map((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    const [, code = '', when = '', , , retryable = '', exit = '', todo = ''] = cells;
    return { code, when, retryable, exit, todo };
  });

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}

function rowOf(code: FerryErrorCode): Row {
  const found = rows.filter((row) => row.code === code);
  expect(found).toHaveLength(1);
  const [row] = found;
  if (row === undefined) throw new Error(`no row for ${code}`);
  return row;
}

/** Every source file that can raise a code: not those that only list or explain them. */
function sources(): string {
  const quiet = ['errors.ts', 'advice.ts', 'codes.ts', 'failure.ts', 'migrate.ts'];
  return readdirSync(new URL('../../src', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !quiet.some((name) => path.endsWith(`/${name}`)))
    .filter((path) => path !== 'errors.ts')
    .map((path) => read(`src/${path}`))
    .concat(read('src/migration/migrate.ts').replace(/retryableCodes.*?\]\);/s, ''))
    .join('\n');
}

function exitAt(code: FerryErrorCode, refused: boolean): number {
  const event = {
    type: 'failed',
    code,
    message: '',
    phase: '',
    side: 'source',
    retryable: false,
  } as const;
  return exitCodeOf(new Failure(event, refused));
}

describe('docs/errors.md', () => {
  const raised = sources();
  const retryable = /retryableCodes.*?\]\);/s.exec(read('src/migration/migrate.ts'))?.[0] ?? '';

  it('has no row without a code', () => {
    expect(rows.map(({ code }) => code)).toEqual([...ferryErrorCodes]);
  });

  it.each(ferryErrorCodes)('gives for %s the exit codes of the command', (code) => {
    const { exit } = rowOf(code);
    expect(Number.parseInt(exit, 10)).toBe(exitAt(code, false));
    if (exit.includes('refused 3')) expect(exitAt(code, true)).toBe(3);
  });

  it.each(ferryErrorCodes)('says of %s what the command says', (code) => {
    expect(rowOf(code).todo).toBe(adviceFor[code].todo);
  });

  it.each(ferryErrorCodes)('marks %s as reserved only if nothing raises it', (code) => {
    expect(rowOf(code).when === 'reserved (not raised yet)').toBe(!raised.includes(`'${code}'`));
  });

  it.each(ferryErrorCodes)('says whether %s is worth another try', (code) => {
    expect(rowOf(code).retryable).toBe(retryable.includes(`'${code}'`) ? 'yes' : 'no');
  });
});
