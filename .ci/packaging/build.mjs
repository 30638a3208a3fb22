// Builds dist/ from src/ and the declarations that tsc left in build/types: one ES module a layer, with a source map. Run by
// `npm run build:ts`; another directory to build may be given.
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, posix, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { visibleDeclarations } from './declarations.mjs';
import { inLines } from './lines.mjs';
import { slimMap } from './source-map.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const types = join(root, 'build/types');
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const target = resolve(process.argv[2] ?? join(root, 'dist'));

/** './dist/codec/index.js' -> 'codec/index'. */
const moduleOf = (path) => relative('dist', path).replace(/\.js$/, '');
const subpaths = Object.values(manifest.exports).flatMap((to) =>
  to.default === undefined ? [] : [moduleOf(to.default)],
);
/** Started by their path: the command, what it forks, and the threads that capture, or work on pages of a store. */
const programs = [
  ...Object.values(manifest.bin).map(moduleOf),
  'cli/demo-source',
  'cli/demo-destination',
  'cli/drill-member',
  'cli/drill-witness',
  'threads/crew-worker',
  'threads/lease-worker',
  'threads/page-worker',
];
/** Folders of src/ that become a file each, lowest first: each imports only from those before it. */
const layers = [
  'core',
  'memory',
  'codec',
  'protocol',
  'transport',
  'instrument',
  'guests',
  'lease',
  'migration',
  'bundle',
  'snapshot',
  'replication',
];
/**
 * What has a source map. The rest is read without: names of classes and their members are as they were written and each statement has its line, and maps of all of it
 * would be half of the package.
 */
const mapped = new Set(['core']);

/** Names of locals and functions get short: classes and their members in a stack trace are called what they are in src/. */
const names = { class: true, function: false };

/** The files of the bundle, without whitespace, whose maps are right for their place in `target`. */
async function bundle() {
  const build = await rolldown({
    cwd: root,
    input: Object.fromEntries([...subpaths, ...programs].map((name) => [name, `src/${name}.ts`])),
    external: Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }),
    platform: 'node',
    transform: { target: 'es2022' },
  });
  try {
    const { output } = await build.generate({
      dir: target,
      format: 'esm',
      comments: false,
      minify: {
        compress: { keepNames: names, sequences: false },
        mangle: { keepNames: names },
        codegen: { removeWhitespace: true },
      },
      minifyInternalExports: false,
      sourcemap: 'hidden',
      chunkFileNames: ({ name }) => `${layers.includes(name) ? 'layers' : 'cli'}/[name].js`,
      codeSplitting: {
        groups: layers.map((name, height) => ({
          name,
          test: name === 'core' ? /\/src\/(core\/|errors\.ts$)/ : new RegExp(`/src/${name}/`),
          priority: layers.length - height,
        })),
      },
    });
    return output.filter(({ type }) => type === 'chunk');
  } finally {
    await build.close();
  }
}

/** A declaration with one character for each level. */
function tabbed(text) {
  return text.replaceAll(/^(?: {4})+/gm, (indent) => '\t'.repeat(indent.length / 4));
}

async function write(directory, name, text) {
  const path = join(directory, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

async function build(directory) {
  for (const [name, text] of await visibleDeclarations(types, subpaths)) {
    await write(directory, name, tabbed(text));
  }
  for (const { name, fileName, code, map } of await bundle()) {
    const { text, starts } = inLines(fileName, code);
    if (!mapped.has(name)) {
      await write(directory, fileName, text);
      continue;
    }
    await write(directory, `${fileName}.map`, JSON.stringify(slimMap(map, code, starts)));
    const link = `\n//# sourceMappingURL=${posix.basename(fileName)}.map\n`;
    await write(directory, fileName, text.trimEnd() + link);
  }
  // npm makes a command executable when it is installed, which for a checkout is before the next build.
  for (const path of Object.values(manifest.bin)) {
    await chmod(join(directory, relative('dist', path)), 0o755);
  }
}

// Nothing stale stays, and the whole takes its place at once: somebody else's test may be running the command.
const fresh = join(root, `build/dist.${process.pid}`);
const old = `${fresh}.old`;
try {
  await build(fresh);
  await rename(target, old).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(fresh, target);
} finally {
  await rm(fresh, { recursive: true, force: true });
  await rm(old, { recursive: true, force: true });
}
