import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Random, randomOf } from '../../reference/random.js';
import { pictureOf, WasiMachine } from './machine.js';
import { Trip } from './trip.js';

const names = ['a', 'b', 'c', 'd/a', 'd/b', 'd/e/a', 'd', 'd/e', 'f'];

/** One thing that programs do with files, drawn from `random`; what came of it. */
function act(machine: WasiMachine, random: Random): unknown {
  const name = (): string => names[random.below(names.length)] ?? '';
  const descriptor = (): number => random.below(machine.wasi.fds.length + 1);
  const data = (): Uint8Array => {
    const bytes = new Uint8Array(random.below(random.below(4) === 0 ? 30000 : 5000));
    bytes.fill(1 + random.below(255));
    return bytes;
  };
  const acts: (() => unknown)[] = [
    () => machine.open(name(), { create: true }),
    () => machine.open(name(), { create: true, append: true }),
    () => machine.open(name(), { create: true, truncate: random.below(2) === 0 }),
    () => machine.open('d', {}),
    () => machine.write(descriptor(), data()),
    () => machine.write(descriptor(), data()),
    () => machine.writeAt(descriptor(), data(), random.below(60000)),
    () => machine.writeAt(descriptor(), data(), random.below(4000)),
    () => machine.read(descriptor(), random.below(9000)),
    () => machine.seek(descriptor(), random.below(40000) - 2000, random.below(4)),
    () => machine.resize(descriptor(), random.below(random.below(3) === 0 ? 200_000 : 20_000)),
    () => machine.allocate(descriptor(), random.below(20000), random.below(20000)),
    () => machine.rename(name(), name()),
    () => machine.link(name(), name()),
    () => machine.unlink(name()),
    () => machine.makeDirectory(random.below(2) === 0 ? 'd' : 'd/e'),
    () => machine.removeDirectory(name()),
    () => machine.close(4 + random.below(Math.max(1, machine.wasi.fds.length - 4))),
    () => machine.renumber(descriptor(), 4 + random.below(6)),
  ];
  return acts[random.below(acts.length)]?.();
}

/** Without what the shim numbers through all the process. */
function withoutInos(picture: unknown): unknown {
  return JSON.parse(
    JSON.stringify(picture, (key, value) => {
      if (key === 'file' || key === 'directory') return typeof value === 'bigint' ? 'ino' : value;
      return typeof value === 'bigint' ? Number(value) : value;
    }),
  );
}

function actTimes(machine: WasiMachine, random: Random, times: number): void {
  for (let done = 0; done < times; done++) act(machine, random);
}

it('moves files, directories and descriptors as they are, to and fro, while the program uses them', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 4 }), (seed, trips) => {
      const random = randomOf(seed);
      let [here, there] = [new WasiMachine(), new WasiMachine()];
      actTimes(here, random, random.below(60));
      for (let made = 0; made < trips; made++) {
        const trip = new Trip(here.glue, there.glue);
        actTimes(here, random, random.below(4));
        trip.start();
        for (let round = random.below(4); round > 0; round--) {
          actTimes(here, random, random.below(30));
          trip.round();
          if (random.below(2) === 0) there.glue.load(here.glue.save());
        }
        actTimes(here, random, random.below(30));
        trip.finish();
        expect(pictureOf(there)).toEqual(pictureOf(here));

        // The one that stayed is the other's twin from now on.
        const drawn = random.u32();
        const [ours, theirs] = [randomOf(drawn), randomOf(drawn)];
        for (let done = 0; done < 20; done++) {
          expect(act(there, theirs)).toEqual(act(here, ours));
        }
        expect(withoutInos(pictureOf(there))).toEqual(withoutInos(pictureOf(here)));
        [here, there] = [there, here];
      }
    }),
  );
});
