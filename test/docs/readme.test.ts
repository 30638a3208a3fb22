import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const readme = readFileSync('README.md', 'utf8');
const examples = readdirSync('examples').filter(
  (name) => name.endsWith('.mjs') && name !== 'run-all.mjs',
);

async function helpOf(...command: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['dist/cli/main.js', ...command, '--help']);
  return stdout;
}

/** The example in each row of the table of commands: the words behind `pageferry`. */
const commands: readonly (readonly string[])[] = readme
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .flatMap((line) => [...line.matchAll(/`pageferry ([a-z][^`]*)`/g)])
  .map(([, words = '']) => words.split(' '));

/** Blocks marked with the name of an example: ```js NAME.mjs */
function blocksOf(page: string): readonly { readonly name: string; readonly code: string }[] {
  const text = readFileSync(page, 'utf8');
  return [...text.matchAll(/^```js (\S+)\n(.*?)^```$/gms)].map(([, name = '', code = '']) => ({
    name,
    code,
  }));
}

describe('README.md', () => {
  it('shows every command that there is', async () => {
    const there = (await helpOf()).matchAll(/^ {2}([a-z]+) (?:\[options\]|<)/gm);
    const names = [...there].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(3);
    expect([...new Set(commands.map(([name]) => name))].sort()).toEqual(names.sort());
  });

  it.each(commands)('shows `pageferry %s` with options that it has', async (...words) => {
    const [name = ''] = words;
    const help = await helpOf(name);
    for (const word of words.filter((each) => each.startsWith('--'))) expect(help).toContain(word);
  });

  it('has a place for the bench table and for the transcript', () => {
    for (const name of ['bench', 'transcript']) {
      expect(readme.split(`<!-- ${name} -->`)).toHaveLength(2);
      expect(readme.split(`<!-- /${name} -->`)).toHaveLength(2);
    }
  });

  it('marks every piece of JavaScript with the example it is part of', () => {
    expect(readme).not.toMatch(/^```(?:js|ts|javascript|typescript)\s*$/m);
  });

  it('links to every example', () => {
    for (const name of examples) {
      expect(readme).toContain(`](examples/${name})`);
    }
  });
});

describe('the examples in the pages', () => {
  it.each(['README.md', 'docs/guests.md'])('%s shows what is run', (page) => {
    const blocks = blocksOf(page);
    expect(blocks.length).toBeGreaterThan(0);
    for (const { name, code } of blocks) {
      expect(readFileSync(`examples/${name}`, 'utf8')).toContain(code);
    }
  });
});
