/** Does `work` in `clients` places at once for some seconds; how often in each of them. */
export async function perSecond(
  clients: number,
  seconds: number,
  work: (client: number) => Promise<void>,
): Promise<number> {
  const begun = performance.now();
  const until = begun + seconds * 1000;
  let done = 0;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (; performance.now() < until; done += 1) await work(client);
    }),
  );
  return (done / (performance.now() - begun)) * 1000;
}

/** The same of what waits for nothing, on one core, for half of them. */
export function loop(seconds: number, work: () => unknown): number {
  const begun = performance.now();
  const until = begun + (seconds * 1000) / 2;
  let done = 0;
  for (; performance.now() < until; done += 1) work();
  return (done / (performance.now() - begun)) * 1000;
}
