import * as shim from '@bjorn3/browser_wasi_shim';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FerryError } from '../../../src/errors.js';
import { pictureOf, WasiMachine } from './machine.js';

/** A machine with something of everything, and its state. */
function subject(): { machine: WasiMachine; state: Record<string, unknown> } {
  const folder = new shim.Directory(new Map([['inner', new shim.File([1, 2, 3])]]));
  const machine = new WasiMachine(
    [
      ['folder', folder],
      ['log', new shim.File(new Uint8Array(5000))],
    ],
    { now: () => 0n },
  );
  machine.open('folder');
  machine.open('log');
  machine.close(machine.open('folder'));
  return { machine, state: JSON.parse(new TextDecoder().decode(machine.glue.save())) };
}

const encoded = (state: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(state));

/** Values that a peer might put anywhere. */
const strange: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown[]>(null, -1, 1.5, 2 ** 53, 2 ** 32, '', '..', 'a/b', '__proto__', []),
  fc.nat(40),
  fc.nat(40).map(String),
  fc.jsonValue({ maxDepth: 2 }),
);

/** All places of a JSON value. */
function* placesOf(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) yield* placesOf(item, [...path, key]);
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  const copy: Record<string, unknown> = Object.assign(Array.isArray(value) ? [] : {}, value);
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}

describe('the state of a WASI program', () => {
  it('is taken as often as it comes, and given back as it was', () => {
    const { machine, state } = subject();
    const before = pictureOf(machine);
    for (let times = 0; times < 3; times++) {
      machine.glue.load(encoded(state));
      expect(pictureOf(machine)).toEqual(before);
      expect(JSON.parse(new TextDecoder().decode(machine.glue.save()))).toEqual(state);
    }
  });

  it('is a few bytes a file', () => {
    const machine = new WasiMachine();
    for (let file = 0; file < 3000; file++)
      machine.close(machine.open(`${file}`, { create: true }));
    expect(machine.glue.save().byteLength).toBeLessThan(3000 * 60);
  });

  it('changes nothing where one thing in it is not as it can be', () => {
    let { machine, state } = subject();
    let before = pictureOf(machine);
    const places = [...placesOf(state)];
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(places.length - 1), strange, (place, by) => {
        try {
          machine.glue.load(encoded(replaced(state, places[place] ?? [], by)));
        } catch (error) {
          if (!(error instanceof FerryError) || error.code !== 'ERR_GUEST') throw error;
          refused += 1;
          expect(pictureOf(machine)).toEqual(before);
          return;
        }
        // Taken: then it is a state, and can be said again.
        machine.glue.save();
        ({ machine, state } = subject());
        before = pictureOf(machine);
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(1000);
  });

  it.each([
    ['a cut', encoded('{"args"')],
    ['nothing', new Uint8Array()],
    ['not UTF-8', Uint8Array.of(0xff)],
  ])('is not %s', (_, bytes) => {
    const { machine } = subject();
    const refused = expect.objectContaining({ code: 'ERR_GUEST' });
    expect(() => machine.glue.load(bytes)).toThrow(refused);
  });

  // Numbers: the root is 16, the folder 17; stdin is 18, the log 19, what is in the folder 20.
  it.each<[string, (string | number)[], unknown]>([
    ['a file twice', ['files', 3], [19, 0, '1', false]],
    ['a file that no region came for', ['files', 3], [21, 0, '1', false]],
    ['a file with the number of a memory', ['files', 3], [3, 0, '1', false]],
    ['more bytes in a file than its region has', ['files', 1, 1], 2 ** 40],
    ['a directory below itself', ['directories', 1, 3, 0, 1], 16],
    ['a directory in two places', ['directories', 0, 3, 2], ['again', 17]],
    ['a parent that is a file', ['directories', 1, 2], 19],
    ['an entry of nothing', ['directories', 0, 3, 0, 1], 40],
    ['a name that leads elsewhere', ['directories', 0, 3, 0, 0], '..'],
    ['a name of two parts', ['directories', 0, 3, 0, 0], 'a/b'],
    ['one name twice', ['directories', 0, 3, 0, 0], 'log'],
    ['a descriptor of nothing', ['descriptors', 0, 1], 99],
    ['a descriptor twice', ['descriptors', 1, 0], 0],
    ['a descriptor beyond the last', ['descriptorsEnd'], 3],
    ['room for more descriptors than a program can travel with', ['descriptorsEnd'], 2 ** 20 + 1],
    ['something open that no descriptor is for', ['opened', 6], ['directory', 16]],
    ['an open file that is a directory', ['opened', 0, 1], 17],
    ['a descriptor that the host does not have', ['opened', 1, 1], 'socket'],
    ['a negative position', ['opened', 0, 2], '-1'],
    ['a clock of more than 63 bits', ['clock'], String(2n ** 63n)],
    ['a number that was not given out', ['nextNumber'], 20],
    ['an ino that was not given out', ['nextIno'], '0'],
  ])('does not have %s', (_, path, by) => {
    const { machine, state } = subject();
    const before = pictureOf(machine);
    const hostile = replaced(state, path.map(String), by);
    expect(hostile).not.toEqual(state);
    expect(() => machine.glue.load(encoded(hostile))).toThrow(
      expect.objectContaining({ code: 'ERR_GUEST' }),
    );
    expect(pictureOf(machine)).toEqual(before);
    machine.glue.load(encoded(state));
  });
});
