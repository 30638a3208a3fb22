/** The functions of WASI, which can be told to draw and to tell the time as a journal of the store has it. */
export function withJournal(imports) {
  let entries;
  let memory;
  let at = 0;
  const put = (address, value) => {
    new DataView(memory.buffer).setBigUint64(address, value, true);
    return 0;
  };
  return {
    imports: {
      ...imports,
      // The store asks for the time, then draws.
      clock_time_get(clock, precision, address) {
        if (entries === undefined) return imports.clock_time_get(clock, precision, address);
        return put(address, entries.getBigUint64(at, true));
      },
      random_get(address, bytes) {
        if (entries === undefined) return imports.random_get(address, bytes);
        at += 16;
        return put(address, entries.getBigUint64(at - 8, true));
      },
    },
    /** From now on. */
    follow(journal, ofMemory) {
      entries = new DataView(journal.buffer, journal.byteOffset, journal.byteLength);
      memory = ofMemory;
    },
  };
}
