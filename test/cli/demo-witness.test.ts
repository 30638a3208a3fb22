import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Witness } from '../../src/cli/demo-witness.js';
import {
  createLedger,
  type LedgerGuest,
  planLedger,
  receiveLedger,
} from '../../src/guests/ledger.js';
import { replayLedger } from '../../src/guests/ledger-replay.js';
import { copyRegions } from '../conformance/guest.js';

const digestOf = (seq: number): number => seq * 31;

/** A move in which everything went well: commits 1..3 before, 4..7 during, 8..9 after. */
function witnessAll(): Witness {
  const witness = new Witness();
  for (let seq = 1; seq <= 9; seq++) {
    if (seq === 4) witness.migrationBegins();
    witness.acknowledge(seq < 8 ? 'source' : 'destination', seq, digestOf(seq));
  }
  return witness;
}

describe('a witness', () => {
  it('counts each commit once, by where and when it was acknowledged', () => {
    const witness = witnessAll();
    for (let seq = 1; seq <= 9; seq++) witness.find(seq, digestOf(seq));
    expect(witness.report()).toEqual({ before: 3, during: 4, after: 2, lost: 0, doubled: 0 });
  });

  it('names lost what the destination does not hold, or holds with another digest', () => {
    const witness = witnessAll();
    for (let seq = 1; seq <= 9; seq++) {
      if (seq !== 5) witness.find(seq, seq === 7 ? 0 : digestOf(seq));
    }
    expect(witness.report()).toMatchObject({ lost: 2, doubled: 0 });
  });

  it('names doubled what both sides acknowledged, and what is there twice', () => {
    const witness = witnessAll();
    witness.acknowledge('source', 8, 999);
    for (let seq = 1; seq <= 9; seq++) witness.find(seq, digestOf(seq));
    witness.find(2, digestOf(2));
    expect(witness.report()).toEqual({ before: 3, during: 4, after: 2, lost: 0, doubled: 2 });
  });

  it('does not depend on how the two sides are interleaved', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }), (sourceFirst) => {
        const witness = new Witness();
        witness.migrationBegins();
        let fromSource = 1;
        let fromDestination = 11;
        for (const takesSource of sourceFirst) {
          if ((takesSource && fromSource <= 10) || fromDestination > 20) {
            witness.acknowledge('source', fromSource, fromSource++);
          } else witness.acknowledge('destination', fromDestination, fromDestination++);
        }
        for (let seq = 1; seq <= 20; seq++) witness.find(seq, seq);
        expect(witness.report()).toEqual({ before: 0, during: 10, after: 10, lost: 0, doubled: 0 });
      }),
    );
  });
});

describe('a ledger that was moved in front of a witness', () => {
  const options = { sizeBytes: 32 * 4096, seed: 4 };
  const transactTimes = (guest: LedgerGuest, times: number): void => {
    for (let done = 0; done < times; done++) guest.transact();
  };

  async function move(more: (source: LedgerGuest) => void): Promise<Witness> {
    const witness = new Witness();
    const heard = (side: 'source' | 'destination') => (seq: number, digest: number) =>
      witness.acknowledge(side, seq, digest);
    const source = createLedger({ ...options, onCommit: heard('source') });
    transactTimes(source, 10);
    witness.migrationBegins();
    transactTimes(source, 20);
    const destination = receiveLedger(options.sizeBytes, options.sizeBytes, {
      onCommit: heard('destination'),
    });
    await copyRegions(source, destination);
    await destination.loadState(await source.saveState());
    more(source);
    transactTimes(destination, 5);
    replayLedger(planLedger(options), destination.seq, (seq, digest) => witness.find(seq, digest));
    return witness;
  }

  it('has every commit once', async () => {
    const witness = await move(() => {});
    expect(witness.report()).toEqual({ before: 10, during: 20, after: 5, lost: 0, doubled: 0 });
  });

  it('has doubled commits if both sides ran', async () => {
    const witness = await move((source) => transactTimes(source, 3));
    expect(witness.report()).toMatchObject({ lost: 0, doubled: 3 });
  });

  it('has lost commits if the source went on for longer than the destination', async () => {
    const witness = await move((source) => transactTimes(source, 9));
    expect(witness.report()).toMatchObject({ lost: 4, doubled: 5 });
  });
});
