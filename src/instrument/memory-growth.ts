import { InstructionReader } from './instruction-reader.js';
import type { WasmModule } from './module.js';

const memoryGrow = 0x40;

/** Whether any function of the module grows its memory. */
export function growsMemory(module: WasmModule): boolean {
  const instruction = new InstructionReader(module);
  for (const body of module.bodies) {
    instruction.enter(body);
    while (!instruction.isAtEnd) {
      instruction.next();
      if (instruction.opcode === memoryGrow) return true;
    }
  }
  return false;
}
