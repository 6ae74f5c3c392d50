import type { SinkEvent } from '../delivery.ts';

/** Facility 13, log audit (RFC 5424 section 6.2.1). */
const AUDIT = 13 * 8;
/** Severities of syslog by those of OCSF: info, notice, warning, alert. */
const SEVERITY = { 1: 6, 2: 5, 3: 4, 4: 1 } as const;
/** 32473 is the enterprise number for examples (RFC 5612); we have none of our own. */
const SD_ID = 'portcullis@32473';

/** What a frame says of the sender; fields of RFC 5424 as they stand in the header. */
export interface SyslogSender {
  readonly hostname: string;
  readonly procId: string;
}

/**
 * One event as a frame of RFC 5424 with octet counting (RFC 5425 section 4.3): `LEN SP MSG`. Where the message would
 * have more than `maxOctets`, the line is cut at a character and the structured data says so (`is_truncated`,
 * `untruncated_size`); `org`, `pos` and `leafHash` lead to the full record, which the export has. There is never a
 * newline in it, for receivers take it for the end.
 */
export function syslogFrame(event: SinkEvent, sender: SyslogSender, maxOctets: number): Buffer {
  const line = Buffer.from(event.line.replaceAll('\n', ' '));
  let header = headerOf(event, sender, undefined);
  let body: Uint8Array = line;
  // The length counts neither itself nor the blank after it, as the receiver's limit does not.
  if (header.length + line.length > maxOctets) {
    header = headerOf(event, sender, line.length);
    body = cutAtCharacter(line, Math.max(0, maxOctets - header.length));
  }
  return Buffer.concat([Buffer.from(`${header.length + body.length} `), header, body]);
}

function headerOf(event: SinkEvent, { hostname, procId }: SyslogSender, size: number | undefined): Buffer {
  const parameters: [string, string][] = [
    ['org', event.org],
    ['pos', String(event.pos)],
    ['id', event.id],
    ['leafHash', event.leafHash],
  ];
  if (size !== undefined) parameters.push(['is_truncated', 'true'], ['untruncated_size', String(size)]);
  if (event.test) parameters.push(['test', 'true']);
  const data = parameters.map(([name, value]) => ` ${name}="${escaped(value)}"`).join('');
  const priority = AUDIT + SEVERITY[event.severity];
  const message = event.action.replaceAll(/[^!-~]/g, '_').slice(0, 32);
  return Buffer.from(
    `<${priority}>1 ${event.time} ${hostname} portcullis ${procId} ${message} [${SD_ID}${data}] `,
  );
}

/** RFC 5424 section 6.3.3. */
function escaped(value: string): string {
  return value.replaceAll(/["\\\]]/g, String.raw`\$&`);
}

/** At most so many octets, and no half of a character. */
function cutAtCharacter(text: Buffer, octets: number): Uint8Array {
  let end = Math.min(octets, text.length);
  while (end > 0 && end < text.length && ((text[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return text.subarray(0, end);
}

/** Text as a field of the header: printable ASCII, `-` where nothing is left. */
export function headerField(text: string, longest: number): string {
  return text.replaceAll(/[^!-~]/g, '').slice(0, longest) || '-';
}
