import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const scratch = resolve(`build/package-test.${process.pid}`);
const files = readdirSync('dist', { recursive: true, encoding: 'utf8' });
const maps = files.filter((name) => name.endsWith('.js.map'));

beforeAll(() => mkdirSync(scratch, { recursive: true }));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A map of dist/, and its sources as they are in src/. */
function readMap(name: string): { map: SourceMapPayload; sources: string[][] } {
  const map: SourceMapPayload = JSON.parse(readFileSync(join('dist', name), 'utf8'));
  const folder = dirname(join('dist', name));
  const sources = map.sources.map((path) => readFileSync(join(folder, path), 'utf8').split('\n'));
  return { map, sources };
}

/** Declarations but for how they stand. */
function withoutLayout(text: string): string {
  return text.replace('export {};', '').replaceAll(/\s+/g, ' ').trim();
}

/** The number of the only line of a file that has `text`. */
function lineOf(path: string, text: string): number {
  const lines = readFileSync(path, 'utf8').split('\n');
  const found = lines.flatMap((line, index) => (line.includes(text) ? [index + 1] : []));
  expect(found).toHaveLength(1);
  return found[0] ?? 0;
}

describe('the package', () => {
  it('is below a megabyte unpacked, and has nothing but dist/ and what npm adds', async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts']);
    const [packed]: [{ unpackedSize: number; files: { path: string }[] }] = JSON.parse(stdout);
    expect(packed.unpackedSize).toBeLessThan(1_000_000);
    const others = packed.files.map(({ path }) => path).filter((path) => !path.startsWith('dist/'));
    expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
  });

  it('keeps nothing of the build before', async () => {
    const target = join(scratch, 'dist');
    mkdirSync(join(target, 'layers'), { recursive: true });
    writeFileSync(join(target, 'layers/stale.js'), '');
    await run(process.execPath, ['.ci/packaging/build.mjs', target]);
    const built = readdirSync(target, { recursive: true, encoding: 'utf8' });
    expect(built.sort()).toEqual([...files].sort());
    // A checkout's own bin is linked once: whatever is built later must be as executable.
    expect(statSync(join(target, 'cli/main.js')).mode & 0o111).toBe(0o111);
  });

  it('has every module that the command starts by its path', () => {
    const started = readdirSync('src/cli').flatMap((name) =>
      [...readFileSync(`src/cli/${name}`, 'utf8').matchAll(/(?<!from )'(\.\/[\w-]+\.js)'/g)].map(
        ([, path = '']) => join('dist/cli', path),
      ),
    );
    expect(started.length).toBeGreaterThan(1);
    expect(started.filter((path) => !existsSync(path))).toEqual([]);
  });

  it('has names of classes and their members as they were written, and no comments', () => {
    const code = readFileSync('dist/layers/migration.js', 'utf8');
    expect(code).toMatch(/^(?:var )?HeldComparison=class/m);
    expect(code).toMatch(/^get isOpen\(\)/m);
    expect(code).not.toContain('/** ');
  });

  it('has a line for each of the statements, variables and members that follow each other', async () => {
    const { inLines } = await import(resolve('.ci/packaging/lines.mjs'));
    const code =
      'let a=`x;\ny`,b=2;if(a)throw b;for(;b<9;b++);f();(g||h)();class C{#p;q=1;get r(){return 1}*[a](){}}do f();while(a);a=b;export{a};';
    const { text, starts } = inLines('a.js', code);
    const lines = [
      'let a=`x;',
      'y`,',
      'b=2',
      'if(a)throw b',
      'for(;b<9;b++);',
      'f();',
      '(g||h)()',
      'class C{#p',
      'q=1',
      'get r(){return 1}',
      '*[a](){}}',
      'do f();while(a);',
      'a=b',
      'export{a};',
    ];
    expect(text).toBe(lines.join('\n'));
    expect(starts).toEqual(lines.map((line) => code.indexOf(line)));
    for (const name of files.filter((each) => each.endsWith('.js'))) {
      const built = readFileSync(join('dist', name), 'utf8');
      // Whatever is to begin a line does already.
      const again: string = inLines(name, built).text;
      expect(again.replaceAll('\n\n', '\n')).toBe(built.replaceAll('\n\n', '\n'));
    }
    // Two fields, or a static one.
    expect(() => inLines('a.js', 'class C{static;q=1}')).toThrow('something else');
  });

  it('keeps the names of its classes', async () => {
    const { DirtyBitmap, PageHasher } = await import(resolve('dist/codec/index.js'));
    expect([DirtyBitmap.name, PageHasher.name]).toEqual(['DirtyBitmap', 'PageHasher']);
  });
});

describe('its declarations', () => {
  it('compile by themselves, those of codec, protocol and instrument without the globals of Node or browsers', () => {
    const strict = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022'];
    const check = (entries: string[], types: string[]): void => {
      const paths = entries.map((entry) => `dist/${entry}.d.ts`);
      execFileSync('npx', ['tsc', '--ignoreConfig', ...strict, ...types, ...paths], {
        stdio: 'pipe',
      });
    };
    check(
      ['codec/index', 'protocol/index', 'instrument/index'],
      ['--lib', 'es2022', '--types', ''],
    );
    const others = [
      'index',
      'transport/index',
      'snapshot/index',
      'lease/index',
      'replication/index',
    ];
    const guests = ['emscripten', 'pglite', 'wasi', 'wasm'].map((name) => `guests/${name}/index`);
    check([...others, ...guests], ['--lib', 'es2023,esnext.disposable', '--types', 'node']);
  });

  it('of an entry pass on everything that its source does', () => {
    const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));
    const entries = Object.values<{ types?: string }>(exports).flatMap(({ types }) => types ?? []);
    expect(entries.length).toBeGreaterThan(9);
    for (const path of entries) {
      const source = readFileSync(path.replace('./dist', 'build/types'), 'utf8');
      // What they pass on has to be there, or they would not compile.
      expect(withoutLayout(readFileSync(path, 'utf8'))).toBe(withoutLayout(source));
    }
  });

  it('leave out what nobody can reach', () => {
    const text = readFileSync('dist/guests/json-state.d.ts', 'utf8');
    expect(text).toContain('type Json');
    expect(text).not.toContain('readJsonState');
    expect(existsSync('dist/core/kernel-exports.d.ts')).toBe(false);
  });

  it('say what the functions do', () => {
    const text = readFileSync('dist/migration/migrate.d.ts', 'utf8');
    expect(text).toMatch(
      /Moves `guest` to the destination.*\*\/\nexport declare function migrate\(/s,
    );
  });
});

describe('its source maps', () => {
  it('are there for core', () => {
    const layers = files.filter((name) => name === 'layers/core.js');
    expect(maps.sort()).toEqual(layers.map((name) => `${name}.map`).sort());
    expect(maps).toHaveLength(1);
    for (const name of layers) {
      const link = `//# sourceMappingURL=${name.replace('layers/', '')}.map\n`;
      expect(readFileSync(join('dist', name), 'utf8').endsWith(link)).toBe(true);
    }
  });

  it.each(maps)('%s contains its sources: the code, each line in its place', (name) => {
    const { map, sources } = readMap(name);
    expect(map.sourcesContent).toHaveLength(map.sources.length);
    map.sourcesContent.forEach((content, source) => {
      const lines = content.split('\n');
      expect(lines.length).toBe(sources[source]?.length);
      lines.forEach((line, index) => {
        // Comments may be blank in it.
        const words = line.split(/ {2,}/).map((part) => part.trim());
        for (const word of words) expect(sources[source]?.[index]).toContain(word);
      });
    });
  });

  it.each(maps)('%s leads every throw to the line that throws', (name) => {
    const { map, sources } = readMap(name);
    const code = readFileSync(join('dist', name.replace(/\.map$/, '')), 'utf8').split('\n');
    const lookup = new SourceMap(map);
    code.forEach((line, index) => {
      for (const { index: column } of line.matchAll(/\bthrow /g)) {
        const entry = lookup.findEntry(index, column);
        if (!('originalSource' in entry)) throw new Error(`${name}:${index + 1} is not mapped`);
        const source = map.sources.indexOf(entry.originalSource);
        expect(sources[source]?.[entry.originalLine]).toContain('throw');
        const content = map.sourcesContent[source]?.split('\n')[entry.originalLine] ?? '';
        expect(content).toContain('throw');
        // A word begins there.
        expect(content.slice(entry.originalColumn)).toMatch(/^\w/);
        expect(content.slice(0, entry.originalColumn)).toMatch(/(^|\W)$/);
      }
    });
  });

  it.each([
    {
      script: `import { Arena } from './dist/layers/core.js'; new Arena(-1);`,
      path: 'src/core/arena.ts',
      text: 'throw new RangeError(`arena of',
      message: 'arena of -1 bytes',
    },
  ])('lead from a stack trace to $path', async ({ script, path, text, message }) => {
    const options = ['--enable-source-maps', '--input-type=module', '-e', script];
    const { stderr } = await run(process.execPath, options).then(
      () => Promise.reject(new Error('did not throw')),
      (error: { stderr: string }) => error,
    );
    const [first = ''] = stderr.split('\n').filter((line) => line.startsWith('    at '));
    expect(first).toContain(`${resolve(path)}:${lineOf(path, text)}:`);
    expect(stderr).toContain(message);
  });
});
