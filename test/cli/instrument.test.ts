import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { instrument } from '../../src/instrument/instrument.js';
import { readLayout } from '../../src/instrument/layout.js';
import { eventsOf } from '../command.js';
import { assemble, i32, limits, text } from '../instrument/assembler.js';
import { folder, run } from './command.js';

const original = createRequire(import.meta.url).resolve('sql.js/dist/sql-wasm.wasm');

/** A folder with SQLite as WebAssembly in it. */
function modules(): { readonly home: string; readonly file: string; readonly out: string } {
  const home = folder();
  const file = join(home, 'sqlite.wasm');
  copyFileSync(original, file);
  return { home, file, out: join(home, 'logged.wasm') };
}

/** A module that imports its memory, and stores to it when it starts. */
const imports = assemble({
  imports: [[...text('e'), ...text('mem'), 2, ...limits(1)]],
  memory: null,
  functions: [{ code: [...i32(0), ...i32(1), 0x36, 2, 0] }],
  start: 0,
});

describe('pageferry instrument', () => {
  it('writes what instrument() gives, with the permissions of the module', async () => {
    const { home, file, out } = modules();
    chmodSync(file, 0o640);
    writeFileSync(out, 'something else');
    const { exit, stdout, stderr } = await run('instrument', file, '-o', out, '--json');
    expect([exit, stderr]).toEqual([0, '']);
    const { wasm, report } = instrument(readFileSync(file));
    expect(readFileSync(out).equals(wasm)).toBe(true);
    expect(statSync(out).mode & 0o777).toBe(0o640);
    expect(eventsOf(stdout)).toEqual([{ type: 'instrumented', file, out, ...report }]);
    expect(readFileSync(file).equals(readFileSync(original))).toBe(true);
    expect(readdirSync(home).sort()).toEqual(['logged.wasm', 'sqlite.wasm']);
  });

  it('says what it found', async () => {
    const { file, out } = modules();
    const { exit, stdout } = await run('instrument', file, '-o', out);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/sqlite\.wasm: \d+ kB, [\d,]+ functions\n/);
    expect(stdout).toMatch(/ {2}stores +[\d,]+, of them SIMD 0, atomic 0\n/);
    expect(stdout).toMatch(/ {2}bulk operations +\d+\n/);
    expect(stdout).toMatch(/ {2}size +\d+ kB, now \d+ kB: x1\.\d\d\n/);
    expect(stdout).toMatch(/ {2}now exported +memory __pageferry_/);
    expect(stdout).toMatch(/ {2}start function +none\n {2}will not travel +nothing\n/);
    expect(stdout).toMatch(/logged\.wasm: run this one.*\n$/);
  });

  it('takes a place, a prefix, and leaves out the start function', async () => {
    const { file, out } = modules();
    const options = ['--place', 'none', '--prefix', '$log:', '--strip-start', '--json'];
    const { exit } = await run('instrument', file, '-o', out, ...options);
    expect(exit).toBe(0);
    const { wasm } = instrument(readFileSync(file), {
      place: 'none',
      prefix: '$log:',
      start: 'strip',
    });
    expect(readFileSync(out).equals(wasm)).toBe(true);
    expect(readLayout(readFileSync(out))).toMatchObject({
      prefix: '$log:',
      map: { place: 'none' },
    });
  });

  it('names what will not travel by itself', async () => {
    const { home, out } = modules();
    const file = join(home, 'imports.wasm');
    writeFileSync(file, imports);
    const place = ['--place', 'none'];
    const { exit, stdout } = await run('instrument', file, '-o', out, ...place, '--strip-start');
    expect(exit).toBe(0);
    expect(stdout).toMatch(/ {2}stores +1, of them/);
    expect(stdout).toMatch(/ {2}start function +0, left out\n/);
    expect(stdout).toMatch(/ {2}will not travel +memory 0 \(import e\.mem\) by itself/);
  });
});

describe('pageferry instrument refuses', () => {
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
  const bad: readonly (readonly [string, () => Uint8Array, string])[] = [
    ['an empty file', () => new Uint8Array(), 'ERR_GUEST'],
    ['a picture', () => png, 'ERR_GUEST'],
    ['half a module', () => readFileSync(original).subarray(0, 300_000), 'ERR_GUEST'],
    ['a module behind a bad byte', () => readFileSync(original).fill(0xff, 9, 20), 'ERR_GUEST'],
    ['one that is instrumented', () => instrument(readFileSync(original)).wasm, 'ERR_UNSUPPORTED'],
  ];

  it.each(bad)('%s', async (_, bytes, code) => {
    const { home, file, out } = modules();
    writeFileSync(file, bytes());
    writeFileSync(out, 'it stays');
    const { exit, stdout, stderr } = await run('instrument', file, '-o', out, '--json');
    expect(stderr).toMatch(new RegExp(`^pageferry: ${code}: .*sqlite\\.wasm: [^\\n]+\\n$`));
    expect(eventsOf(stdout)).toMatchObject([{ type: 'failed', code }]);
    expect(exit).toBe(1);
    expect(readFileSync(out, 'utf8')).toBe('it stays');
    expect(readdirSync(home)).toHaveLength(2);
  });

  it('a map behind the maximum of a memory that is not the module’s own', async () => {
    const { home, out } = modules();
    const file = join(home, 'imports.wasm');
    writeFileSync(file, imports);
    const place = ['--place', 'behind-maximum'];
    const { exit, stderr } = await run('instrument', file, '-o', out, ...place);
    expect(stderr).toMatch(/^pageferry: ERR_UNSUPPORTED: .*its memory is imported/);
    expect(exit).toBe(1);
  });

  it('what is no file', async () => {
    const { home, out } = modules();
    const pipe = join(home, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const file of [home, pipe, join(home, 'nothing'), '/dev/null']) {
      const { exit, stderr } = await run('instrument', file, '-o', out);
      expect(stderr).toMatch(/^pageferry: ERR_IO: cannot read [^\n]+\n$/);
      expect(exit).toBe(1);
    }
    expect(existsSync(out)).toBe(false);
  });

  it('a place that cannot be written', async () => {
    const { home, file } = modules();
    mkdirSync(join(home, 'folder'));
    for (const out of [join(home, 'no/such/place'), join(home, 'folder'), '/proc/logged.wasm']) {
      const { exit, stderr } = await run('instrument', file, '-o', out);
      expect(stderr).toMatch(/^pageferry: ERR_IO: cannot write [^\n]+\n$/);
      expect(exit).toBe(1);
    }
    expect(readdirSync(home).sort()).toEqual(['folder', 'sqlite.wasm']);
  });

  it('to replace the module, by whatever name', async () => {
    const { home, file } = modules();
    const link = join(home, 'link.wasm');
    symlinkSync(file, link);
    for (const [from, to] of [
      [file, file],
      [file, link],
      [link, file],
      [file, join(home, '.', 'sqlite.wasm')],
    ] as const) {
      const { exit, stderr } = await run('instrument', from, '-o', to);
      expect(stderr).toMatch(/^pageferry: [^\n]+ is the module itself[^\n]+\n$/);
      expect(exit).toBe(2);
    }
    expect(readFileSync(file).equals(readFileSync(original))).toBe(true);
  });

  it('a prefix that is none', async () => {
    const { file, out } = modules();
    const { exit, stderr } = await run('instrument', file, '-o', out, '--prefix', '');
    expect(stderr).toMatch(/^pageferry: prefix is [^\n]+\n$/);
    expect(exit).toBe(2);
  });
});
