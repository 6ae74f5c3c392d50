/**
 * True for one address that cannot end a header or a command, nor name a second recipient. Looser than RFC 5321: what
 * people signed up with was checked before.
 */
export function isMailAddress(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  return text.length <= 320 && /^[^\s\p{C}<>,;:@]+@[^\s\p{C}<>,;:@]+$/u.test(text);
}

/** Only by the names that cannot lead elsewhere; any other way home counts as the network. */
export function isLoopback(hostname: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]', '::1'].includes(hostname);
}
