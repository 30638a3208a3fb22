/** Names with explicit numbers on the wire. */
export interface WireEnum<Name extends string> {
  numberOf(name: Name): number;
  /** undefined where no name has this number. */
  nameOf(number: number): Name | undefined;
}

export function wireEnum<Name extends string>(
  numbers: Readonly<Record<Name, number>>,
): WireEnum<Name> {
  const names = new Map<number, Name>();
  for (const name in numbers) names.set(numbers[name], name);
  return {
    numberOf: (name) => numbers[name],
    nameOf: (number) => names.get(number),
  };
}
