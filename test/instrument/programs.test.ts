import { describe, expect, it } from 'vitest';
import { record } from '../evidence/record.js';
import { modulesAreInstalled, programs } from '../modules/programs.js';
import { ProgramWatch } from './watched-program.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const hasSecondMemory = Number(process.versions.node.split('.')[0]) >= 22;
const installed = modulesAreInstalled();
const steps = 30;
/** One outermost call in so many is looked at; nightly all. */
const every: Readonly<Record<string, number>> = nightly
  ? {}
  : {
      'sql.js': 197,
      'quickjs-emscripten': 7,
      wabt: 29,
      'source-map': 7,
      'brotli-wasm': 5,
      wasmoon: 5,
      '@dqbd/tiktoken': 3,
    };

const cases = programs.flatMap((program) => [
  ...(program.importsMemory === true
    ? []
    : [{ program, name: program.name, place: 'behind-maximum' as const }]),
  ...(hasSecondMemory ? [{ program, name: program.name, place: 'second-memory' as const }] : []),
]);

describe('programs of others', () => {
  it.runIf(process.env['CI'] === 'true')('are installed: npm install --prefix test/modules', () => {
    expect(installed).toBe(true);
  });

  it.runIf(installed).for(cases)(
    'do what they always did, and no page that they write is missed: $name, map $place',
    { timeout: nightly ? 900_000 : 120_000 },
    async ({ program, place }, { task }) => {
      const plain: unknown[] = [];
      const step = await program.start();
      for (let index = 0; index < steps; index++) plain.push(await step(index));
      using watch = new ProgramWatch(place, every[program.name] ?? 1, program.pages ?? 512);
      const watchedStep = await program.start();
      for (let index = 0; index < steps; index++) {
        expect(await watchedStep(index)).toEqual(plain[index]);
      }
      expect(watch.watched.length).toBeGreaterThan(0);
      const missed = watch.watched.reduce((sum, one) => sum + one.missed, 0);
      const counts = { programSteps: steps, missedPages: missed };
      record(task, { what: `programs of others, map ${place}`, counts });
      expect(missed).toBe(0);
      const changed = watch.watched.reduce((sum, one) => sum + one.changed, 0);
      expect(changed).toBeGreaterThan(steps);
    },
  );
});
