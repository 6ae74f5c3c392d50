import bowser from 'bowser';

const REMEMBERED = 1_000;
const LONGEST = 60;

/** Labels by user agent, the oldest first: lists show the same few again and again. */
const labels = new Map<string, string | undefined>();

/**
 * What a user agent says it is, for people: "Firefox on Linux". Of one that is no browser, its first product
 * (RFC 9110 section 10.1.5): "curl". Undefined where it says nothing. It is the client's word, and proves nothing.
 */
export function deviceLabel(userAgent: string | undefined): string | undefined {
  if (userAgent === undefined || userAgent === '') return undefined;
  if (labels.has(userAgent)) return labels.get(userAgent);
  const label = read(userAgent)?.slice(0, LONGEST);
  const oldest = labels.size >= REMEMBERED ? labels.keys().next().value : undefined;
  if (oldest !== undefined) labels.delete(oldest);
  labels.set(userAgent, label);
  return label;
}

function read(userAgent: string): string | undefined {
  const { browser, os } = bowser.parse(userAgent);
  const name = browser.name || /^[^\s/()]+/.exec(userAgent)?.[0];
  // "Mozilla" alone is what everybody says.
  const known = name === 'Mozilla' ? undefined : name;
  if (known === undefined) return os.name;
  return os.name ? `${known} on ${os.name}` : known;
}
