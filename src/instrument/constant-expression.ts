import type { ByteReader } from './byte-reader.js';
import { readHeapType } from './heap-type.js';
import { malformed, unsupported } from './refusals.js';

const end = 0x0b;
const vectorPrefix = 0xfd;
const v128Const = 12;
/** i32 and i64 add, sub and mul. */
const arithmetic: ReadonlySet<number> = new Set([0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e]);

/** Reads a constant expression to behind its end, and gives the functions that it references. */
export function readConstantExpression(reader: ByteReader): readonly number[] {
  const functions: number[] = [];
  for (;;) {
    const at = reader.at;
    const opcode = reader.byte();
    if (opcode === end) return functions;
    if (arithmetic.has(opcode)) continue;
    switch (opcode) {
      case 0x41:
        reader.s32();
        break;
      case 0x42:
        reader.skipS64();
        break;
      case 0x43:
        reader.skip(4);
        break;
      case 0x44:
        reader.skip(8);
        break;
      case 0x23:
        reader.u32();
        break;
      case 0xd0:
        readHeapType(reader);
        break;
      case 0xd2:
        functions.push(reader.u32());
        break;
      case vectorPrefix:
        if (reader.u32() !== v128Const) throw malformed('a constant that is none', at);
        reader.skip(16);
        break;
      case 0xfb:
        throw unsupported('it uses GC (a constant)');
      default:
        throw malformed(`no constant has instruction 0x${opcode.toString(16)}`, at);
    }
  }
}
