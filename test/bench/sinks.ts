import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { type Certificates, makeCertificates } from '../kit/certificates.ts';
import { fillLog } from '../kit/long-log.ts';
import { daemonMissing, SyslogDaemon } from '../kit/syslog-daemon.ts';
import { Deployment, owner, type Replica, signIn, type SignedIn } from './deployment.ts';
import { medianOf, type Plan, type Result } from './figures.ts';
import { cores } from './processes.ts';

/** What the relay writes at once, at most. */
const BATCH = 500;
const GIVE_UP_MS = 300_000;

interface Round {
  /** Events a second that stood in the receiver's file. */
  readonly sink: number;
  readonly bare: number;
}

/** (h) A log on its way to a real rsyslog over TLS, against the same frames written to it by nothing but a socket. */
export async function sinks({ rounds, quick }: Plan): Promise<Result> {
  const count = quick ? 10_000 : 100_000;
  const title = `(h) ${count.toLocaleString('en-US')} events to rsyslog over TLS, until they stand in its file`;
  const missing = daemonMissing('rsyslog', 'push-tls');
  if (missing !== undefined)
    return { name: 'sinks', title: `${title}: skipped, ${missing}`, figures: [], rounds: [] };
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-syslog-'));
  chmodSync(folder, 0o755);
  const certificates = makeCertificates(folder);
  const daemon = await SyslogDaemon.start('rsyslog', 'push-tls', mkdtempSync(join(folder, 'd')), folder);
  const { deployment, first } = await Deployment.start(cores.both, cores.both, {
    PORTCULLIS_EGRESS_ALLOW: '127.0.0.0/8',
  });
  const all: Round[] = [];
  try {
    const who = await signIn(first.client, owner);
    const orgId = who.organization.id;
    await fillLog(deployment.database.server.adminUrl, orgId, count);
    await first.client.expect(201, 'POST', `/api/v1/orgs/${orgId}/secrets`, who.accessToken, {
      path: 'siem',
      fields: { key: certificates.read('client.key') },
    });
    const sent = { daemon, certificates, orgId, count };
    // Once before: it makes the frames for the bare writes, and everything is compiled and connected once.
    await pushed(first, sent);
    const frames = framesOf(daemon.lines(orgId).slice(0, count));
    for (let i = 0; i < rounds; i += 1) {
      all.push({ bare: await written(frames, sent), sink: await pushed(first, sent) });
    }
  } finally {
    await deployment.stop();
    await daemon.end();
    rmSync(folder, { recursive: true, force: true });
  }
  const value = medianOf(all, (round) => round.sink);
  return {
    name: 'sinks',
    title,
    figures: [
      {
        what: 'delivered by a sink',
        value,
        unit: 'events/s',
        limit: { what: 'bare TLS writes of the same frames', value: medianOf(all, (round) => round.bare) },
        ratio: medianOf(all, (round) => round.sink / round.bare),
      },
    ],
    rounds: all,
  };
}

interface Sent {
  readonly daemon: SyslogDaemon;
  readonly certificates: Certificates;
  readonly orgId: string;
  readonly count: number;
}

/** A sink that begins at the beginning, from its making until the receiver has written all of it. */
async function pushed({ client }: Replica, { daemon, certificates, orgId, count }: Sent): Promise<number> {
  const { accessToken }: SignedIn = await signIn(client, owner);
  const path = `/api/v1/orgs/${orgId}/audit/sinks`;
  const before = daemon.bytes(orgId);
  const begun = performance.now();
  const { id } = await client.expect<{ id: string }>(201, 'POST', path, accessToken, {
    name: `rsyslog ${begun}`,
    kind: 'syslog',
    settings: {
      host: 'localhost',
      port: daemon.port,
      ca: certificates.ca,
      clientCertificate: certificates.read('client.pem'),
      clientKey: 'secret://siem#key',
    },
  });
  const rate = await arrived(daemon, orgId, before, count, begun);
  await client.expect(204, 'DELETE', `${path}/${id}`, accessToken);
  // What the log got meanwhile, and checkpoints, may still be on their way.
  await settled(daemon, orgId);
  return rate;
}

/** The frames in writes as large as the relay's. */
async function written(
  frames: readonly Buffer[],
  { daemon, certificates, orgId, count }: Sent,
): Promise<number> {
  const before = daemon.bytes(orgId);
  const begun = performance.now();
  const socket = connect({
    host: '127.0.0.1',
    servername: 'localhost',
    port: daemon.port,
    ca: certificates.ca,
    cert: certificates.read('client.pem'),
    key: certificates.read('client.key'),
  });
  await once(socket, 'secureConnect');
  for (let at = 0; at < frames.length; at += BATCH) {
    if (!socket.write(Buffer.concat(frames.slice(at, at + BATCH)))) await once(socket, 'drain');
  }
  const rate = await arrived(daemon, orgId, before, count, begun);
  socket.destroy();
  await settled(daemon, orgId);
  return rate;
}

/** Events a second from `begun` until so many lines were added to the receiver's file. */
async function arrived(
  daemon: SyslogDaemon,
  orgId: string,
  from: number,
  count: number,
  begun: number,
): Promise<number> {
  for (let [at, lines] = [from, 0]; ; await sleep(5)) {
    const added = daemon.added(orgId, at);
    at += added.length;
    for (let end = added.indexOf(10); end !== -1; end = added.indexOf(10, end + 1)) lines += 1;
    const took = performance.now() - begun;
    if (lines >= count) return (count / took) * 1000;
    if (took > GIVE_UP_MS) throw new Error(`rsyslog wrote ${lines} of ${count} lines`);
  }
}

async function settled(daemon: SyslogDaemon, orgId: string): Promise<void> {
  for (let before = -1; before !== daemon.bytes(orgId); await sleep(1_000)) before = daemon.bytes(orgId);
}

/** As the sink frames them. */
function framesOf(lines: readonly string[]): Buffer[] {
  return lines.map((line) => {
    const { org, pos, id, leafHash, time, action } = JSON.parse(line) as Record<string, string>;
    const data = `[portcullis@32473 org="${org}" pos="${pos}" id="${id}" leafHash="${leafHash}"]`;
    const message = Buffer.from(`<110>1 ${time} bench portcullis ${process.pid} ${action} ${data} ${line}`);
    return Buffer.concat([Buffer.from(`${message.length} `), message]);
  });
}
