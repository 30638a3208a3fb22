import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedState } from '../../../src/guests/json-state.js';
import {
  readValue,
  readVector,
  writeValue,
  writeVector,
} from '../../../src/guests/wasm/value-codec.js';

describe('values of globals as text', () => {
  it('are the same again, to the bit', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.double(),
        (i32, i64, f64) => {
          expect(readValue('i32', writeValue('i32', i32))).toBe(i32);
          expect(readValue('i64', writeValue('i64', i64))).toBe(i64);
          expect(readValue('f64', writeValue('f64', f64))).toBe(f64);
          expect(readValue('f32', writeValue('f32', Math.fround(f64)))).toBe(Math.fround(f64));
          const low = BigInt.asUintN(64, i64);
          expect(readVector(writeVector(i64, low))).toEqual([low, low]);
        },
      ),
    );
    expect(Object.is(readValue('f64', writeValue('f64', -0)), -0)).toBe(true);
  });

  it.each([
    ['i32', '2147483648'],
    ['i32', '1.5'],
    ['i32', ''],
    ['i64', '9223372036854775808'],
    ['i64', '0x10'],
    ['f64', '1'],
    ['f32', '7ff000000000000g'],
  ] as const)('are refused where they are no %s: "%s"', (type, text) => {
    expect(() => readValue(type, text)).toThrow(MalformedState);
  });

  it('are refused where they are no v128', () => {
    expect(() => readVector('0'.repeat(31))).toThrow(MalformedState);
  });
});
