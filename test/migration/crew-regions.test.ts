import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Region } from '../../src/memory/region.js';
import { CrewRegions } from '../../src/migration/crew-regions.js';

const pageBytes = 4096;

function region(id: number, byteLength: number, maxByteLength: number): Region {
  const unread = (): never => {
    throw new Error('nobody reads it here');
  };
  return {
    id,
    name: '',
    byteLength,
    maxByteLength,
    descriptor: 3,
    read: unread,
    write: unread,
    grow: unread,
  };
}

describe('the regions of a crew', () => {
  it('are cut so that each page has one place, in pieces of whole leaves of which no two of one member touch', () => {
    const length = fc.oneof(fc.nat(1 << 24), fc.nat(2 ** 40));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.tuple(length, length), { minLength: 1, maxLength: 4 }),
        (members, lengths) => {
          const regions = lengths.map(([a, b], at) =>
            region(9 - at, Math.min(a, b), Math.max(a, b)),
          );
          const crew = new CrewRegions(regions, members);
          const layouts = Array.from({ length: members }, (_, member) => crew.layouts(member));
          for (const own of layouts) {
            const ids = own.map(({ id }) => id);
            expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
          }
          for (const { id, byteLength, maxByteLength } of regions) {
            const pieces = layouts
              .flatMap((own, member) => own.map((piece) => ({ ...piece, member })))
              .filter(({ partOf }) => partOf.region === id)
              .sort((a, b) => a.partOf.firstPage - b.partOf.firstPage);
            let end = 0;
            let present = 0;
            // Asked once for all of them: there may be a thousand.
            const wrong = pieces.filter((piece, at) => {
              const { firstPage } = piece.partOf;
              const isInPlace = firstPage * pageBytes === end && piece.place.byteOffset === end;
              const isFilled = piece.byteLength === 0 || present === end;
              const isAlone = piece.member !== pieces[at - 1]?.member;
              const isSmall = members === 1 || piece.maxByteLength <= 2 ** 30;
              end += piece.maxByteLength;
              present += piece.byteLength;
              return !(isInPlace && isFilled && isAlone && isSmall && firstPage % 512 === 0);
            });
            expect(wrong).toEqual([]);
            expect([end, present]).toEqual([maxByteLength, byteLength]);
          }
        },
      ),
    );
  });

  it('have something for each member where they are as long as a leaf each', () => {
    const crew = new CrewRegions([region(0, 8 << 20, 8 << 20)], 4);
    for (let member = 0; member < 4; member++) expect(crew.layouts(member)).toHaveLength(1);
  });
});
