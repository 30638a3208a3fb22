import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emscriptenGlue } from '../../../src/guests/emscripten/glue.js';
import type { GlueState } from '../../../src/guests/wasm/glue.js';
import { Move } from './move.js';
import { type Fs, type Program, type Stream, startProgram } from './program.js';
import { describeTree } from './tree.js';

function glueOf(program: Program): GlueState {
  return emscriptenGlue(program);
}

const seeds = Uint8Array.from({ length: 40_000 }, (_, at) => (at * 31 + 7) % 251);
const bytes = (length: number, salt: number): Uint8Array =>
  Uint8Array.from(seeds.subarray(0, length), (byte) => (byte + salt) % 256);

type Step = (fs: Fs, open: Stream[]) => void;
const paths = ['/tmp/a', '/tmp/b', '/tmp/10', '/tmp/9', '/home/c', '/home/d/e', '/home/d/f'];
const path = fc.constantFrom(...paths);
const dir = fc.constantFrom('/home/d', '/tmp/g', '/home/d/h');
const salt = fc.nat(255);
const length = fc.oneof(fc.nat(100), fc.nat(9000), fc.nat(40_000));
const offset = fc.oneof(fc.nat(200_000), fc.nat(5000), fc.constant(0));
const pick = (open: Stream[], at: number): Stream | undefined =>
  open[at % Math.max(1, open.length)];

/** What a program may do; what it may not is an error that changes nothing. */
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(path, length, salt).map(
    ([at, n, s]): Step =>
      (fs) =>
        fs.writeFile(at, bytes(n, s)),
  ),
  fc.tuple(path, fc.constantFrom('r', 'r+', 'w', 'w+', 'a+')).map(
    ([at, flags]): Step =>
      (fs, open) => {
        open.push(fs.open(at, flags));
      },
  ),
  fc.tuple(fc.nat(9), offset, length, salt).map(
    ([which, at, n, s]): Step =>
      (fs, open) => {
        const stream = pick(open, which);
        if (stream) fs.write(stream, bytes(n, s), 0, n, at);
      },
  ),
  fc.tuple(fc.nat(9), length, salt).map(
    ([which, n, s]): Step =>
      (fs, open) => {
        const stream = pick(open, which);
        if (stream) fs.write(stream, bytes(n, s), 0, n);
      },
  ),
  fc.tuple(fc.nat(9), length).map(
    ([which, n]): Step =>
      (fs, open) => {
        const stream = pick(open, which);
        if (stream) fs.read(stream, new Uint8Array(n), 0, n);
      },
  ),
  fc.tuple(fc.nat(9), offset, fc.nat(2)).map(
    ([which, at, whence]): Step =>
      (fs, open) => {
        const stream = pick(open, which);
        if (stream) fs.llseek(stream, at, whence);
      },
  ),
  fc.tuple(fc.nat(9), offset, length, salt).map(
    ([which, at, n, s]): Step =>
      (fs, open) => {
        const stream = pick(open, which);
        if (stream) fs.msync(stream, bytes(n, s), at, n, 0);
      },
  ),
  fc.nat(9).map(
    (which): Step =>
      (fs, open) => {
        const stream = pick(open, which);
        if (stream) open.push(fs.dupStream(stream));
      },
  ),
  fc.nat(9).map(
    (which): Step =>
      (fs, open) => {
        const [stream] = open.splice(which % Math.max(1, open.length), 1);
        if (stream) fs.close(stream);
      },
  ),
  fc.tuple(path, offset).map(
    ([at, n]): Step =>
      (fs) =>
        fs.truncate(at, n),
  ),
  path.map(
    (at): Step =>
      (fs) =>
        fs.unlink(at),
  ),
  fc.tuple(path, path).map(
    ([from, to]): Step =>
      (fs) =>
        fs.rename(from, to),
  ),
  fc.tuple(dir, dir).map(
    ([from, to]): Step =>
      (fs) =>
        fs.rename(from, to),
  ),
  dir.map(
    (at): Step =>
      (fs) =>
        fs.mkdir(at),
  ),
  dir.map(
    (at): Step =>
      (fs) =>
        fs.rmdir(at),
  ),
  fc.tuple(path, path).map(
    ([target, at]): Step =>
      (fs) =>
        fs.symlink(target, at),
  ),
  fc.tuple(path, fc.constantFrom(0o600, 0o644, 0o777)).map(
    ([at, mode]): Step =>
      (fs) =>
        fs.chmod(at, mode),
  ),
  fc.tuple(path, fc.nat(2e9)).map(
    ([at, time]): Step =>
      (fs) =>
        fs.utime(at, time, time + 1),
  ),
  dir.map(
    (at): Step =>
      (fs) =>
        fs.chdir(at),
  ),
);

function run(fs: Fs, open: Stream[], steps: readonly Step[]): void {
  for (const each of steps) {
    try {
      each(fs, open);
    } catch (error) {
      if ((error as { name?: string }).name !== 'ErrnoError') throw error;
    }
  }
}

describe('the files of an emscripten program', () => {
  it('are the same at the destination after any operations while they travel, and back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.array(fc.tuple(fc.array(step, { maxLength: 12 }), fc.boolean()), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.array(step, { maxLength: 12 }),
        async (before, rounds, back) => {
          const [here, there] = await Promise.all([startProgram(), startProgram()]);
          const [source, destination] = [glueOf(here), glueOf(there)];
          run(here.module.FS, [], before);
          const open = here.module.FS.streams.slice(3).filter((stream) => !!stream) as Stream[];
          const move = new Move(source, destination);
          for (const [steps, rehearse] of rounds) {
            run(here.module.FS, open, steps);
            move.round();
            if (rehearse) move.rehearse();
          }
          move.end();
          expect(describeTree(there.module.FS)).toEqual(describeTree(here.module.FS));

          const theirs = there.module.FS.streams.slice(3).filter((stream) => !!stream) as Stream[];
          run(there.module.FS, theirs, back);
          new Move(destination, source).end();
          expect(describeTree(here.module.FS)).toEqual(describeTree(there.module.FS));
          run(
            here.module.FS,
            here.module.FS.streams.slice(3).filter((stream) => !!stream) as Stream[],
            back,
          );
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);
});
