/** Of names of mounts, roles, keys and secrets alike. None begins with a dot or holds two, and none needs decoding. */
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;

/** A path of the server's API below `/v1/`. Made by `vaultPath` alone, so that nothing else can be asked for. */
export type VaultPath = string & { readonly made: 'by vaultPath' };

/**
 * Joins segments; each part may hold several. Whoever asks names an organization by its place in the list: what
 * normalises a path (`a/../b`, `%2e%2e`, `//`) finds nothing to normalise. Throws an Error that does not repeat the
 * part.
 */
export function vaultPath(...parts: readonly string[]): VaultPath {
  const segments = parts.flatMap((part) => part.split('/'));
  if (!segments.every(isSegment))
    throw new Error('a path of the secret store has a segment that is not allowed');
  return segments.map(encodeURIComponent).join('/') as VaultPath;
}

/** Whether a text is one or more segments, as names of mounts are. */
export function isVaultPath(text: string): boolean {
  return text.split('/').every(isSegment);
}

function isSegment(segment: string): boolean {
  return SEGMENT.test(segment) && !segment.includes('..');
}
