/** Which methods a path knows. Asked only for requests that no route matched, to tell 405 from 404. */
export class RouteMethods {
  /** By number of segments, so that a flood of unknown paths compares few patterns. */
  private readonly patterns = new Map<number, { segments: string[]; methods: Set<string> }[]>();

  add(pattern: string, methods: readonly string[]): void {
    const segments = pattern.split('/');
    const alike = this.patterns.get(segments.length) ?? [];
    this.patterns.set(segments.length, alike);
    let entry = alike.find((one) => one.segments.join('/') === pattern);
    if (!entry) alike.push((entry = { segments, methods: new Set() }));
    for (const method of methods) entry.methods.add(method);
  }

  /** Sorted; empty where no route has this path. */
  of(path: string): string[] {
    const given = path.split('/');
    const found = new Set<string>();
    for (const { segments, methods } of this.patterns.get(given.length) ?? []) {
      const fits = segments.every((segment, i) =>
        segment.startsWith(':') ? given[i] !== '' : segment === given[i],
      );
      if (fits) for (const method of methods) found.add(method);
    }
    return [...found].sort();
  }
}
