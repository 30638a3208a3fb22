/** What comes of `waited`; or throws what `late` gives where that takes longer than `withinMs`. What was waited for goes on all the same. */
export async function inTime<T>(
  waited: Promise<T>,
  withinMs: number,
  late: () => Error,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), withinMs);
  });
  try {
    return await Promise.race([waited, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
