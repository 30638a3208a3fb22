// What WASI gives a program, as far as the store uses it. The file has the name of the module that they are imported from.

export declare function args_sizes_get(countAt: usize, bytesAt: usize): u32;
export declare function args_get(argumentsAt: usize, bytesAt: usize): u32;
export declare function random_get(at: usize, bytes: usize): u32;
export declare function clock_time_get(clock: u32, precision: u64, timeAt: usize): u32;
export declare function path_open(
  folder: u32,
  lookup: u32,
  path: usize,
  pathBytes: usize,
  flags: u32,
  rights: u64,
  inherited: u64,
  descriptorFlags: u32,
  descriptorAt: usize,
): u32;
export declare function path_rename(
  folder: u32,
  path: usize,
  pathBytes: usize,
  newFolder: u32,
  newPath: usize,
  newPathBytes: usize,
): u32;
export declare function fd_allocate(descriptor: u32, offset: u64, bytes: u64): u32;
export declare function fd_close(descriptor: u32): u32;
export declare function fd_pread(
  descriptor: u32,
  vectors: usize,
  count: usize,
  offset: u64,
  bytesAt: usize,
): u32;
export declare function fd_pwrite(
  descriptor: u32,
  vectors: usize,
  count: usize,
  offset: u64,
  bytesAt: usize,
): u32;
