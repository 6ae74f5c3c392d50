import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '#database';
import { newId, sha256 } from '#kernel';
import { type LaneParts, Turns } from '#relay';
import { type AppInProcess, expectStatus, owner, startApp, until } from '../../../test/kit/app-in-process.ts';
import { natsMissing, NatsServer, type Stored } from '../../../test/kit/nats-server.ts';
import { fillOutbox, type Published, published } from '../../../test/kit/outbox.ts';
import { quick } from '../../../test/kit/sinks.ts';
import { asRole } from '../../../test/kit/sql.ts';
import { eventText } from '../event.ts';
import { EventConfig } from './event.config.ts';
import { EventLane } from './event-lane.ts';
import { addLanes, claimLanes, commitPublished, eventLeases } from './event-lane.store.ts';
import { EventRelays } from './event-relays.ts';
import { NatsDestination } from './nats-destination.ts';

if (natsMissing) console.log(`skipped: ${natsMissing}`);

const STREAM = 'SPEC';
const noSecrets = { resolve: () => Promise.reject(new Error('no such secret')) };

describe.skipIf(natsMissing !== undefined)('the relay to NATS', () => {
  let product: AppInProcess;
  let nats: NatsServer;
  let config: EventConfig;
  let orgId = '';

  beforeAll(async () => {
    nats = await NatsServer.start();
    // So short a window that nothing here can be right because of it.
    const settings = { url: nats.url, stream: STREAM, replicas: 1, duplicateWindowSeconds: 0.1 };
    config = new EventConfig(settings, 90, quick);
    product = await startApp({ events: config });
    product.app.get(EventRelays).start((error) => product.log.push(String(error)));
  });
  afterAll(async () => {
    await product.close();
    await nats.stop();
  });
  beforeEach(() => void (orgId = newId()));

  const url = (): string => product.database.adminUrl;
  const fill = (count: number, bytes?: number) => fillOutbox(url(), orgId, count, bytes);
  const stored = (): Promise<Stored[]> => nats.stored(STREAM, `portcullis.events.${orgId}.>`);
  const all = (): Promise<Published[]> => published(url(), orgId);
  const evidenced = (count: number) =>
    until(async () => {
      const rows = await all();
      return rows.length >= count && rows.every(({ evidence }) => evidence.length > 0) && rows;
    });
  const failing = () =>
    until(async () => {
      const [lane] = await sql('SELECT failures FROM event_lanes WHERE org_id = $1', [orgId]);
      return Number(lane?.['failures'] ?? 0) > 0;
    });
  const sql = (text: string, values: unknown[]) => asRole(url(), (query) => query(text, values));

  /** Nothing lost, nothing twice, in order, and each evidenced with what the stream really holds. */
  async function expectWhole(count: number): Promise<Published[]> {
    const rows = await evidenced(count);
    const messages = await stored();
    expect(messages.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
    for (const [index, { body, pos, evidence }] of rows.entries()) {
      const message = messages[index]!;
      expect(message.text).toBe(eventText({ body, pos }));
      expect(evidence.at(-1)).toMatchObject({
        sequence: message.sequence,
        digest: sha256(message.text).toString('hex'),
      });
    }
    return rows;
  }

  it('publishes in order, each event under its organization and type, and shows the evidence', async () => {
    const admin = await product.signIn(owner, 'acme');
    orgId = admin.organization.id;
    const rows = await expectWhole(2);
    const path = `/orgs/${orgId}/events`;
    const one = expectStatus(await product.get(`${path}/${rows[0]!.id}`, { token: admin.accessToken }), 200);
    expect(one.publications).toMatchObject([
      { destination: 'nats', attempt: 1, stream: STREAM, duplicate: false },
    ]);
    const [message] = await stored();
    expect(message!.subject).toBe(`portcullis.events.${orgId}.organization.created`);
    const { items } = expectStatus(
      await product.get(`${path}/destinations`, { token: admin.accessToken }),
      200,
    );
    expect(items).toMatchObject([{ destination: 'nats', lag: 0, deadLetters: 0, breaker: 'closed' }]);
  });

  it('knows what was acknowledged and not evidenced, however long ago, and marks it', async () => {
    await fill(20);
    const before = await expectWhole(20);
    // As if the process had been killed between the acknowledgements and the evidence of the last five.
    await sql('DELETE FROM event_publications WHERE org_id = $1 AND pos > 15', [orgId]);
    await rewind(15, before[14]!.evidence[0]!.sequence);
    await sleep(300);
    await fill(2);
    const rows = await expectWhole(22);
    expect(rows.filter(({ evidence }) => evidence[0]!.duplicate).map(({ pos }) => pos)).toEqual([
      16, 17, 18, 19, 20,
    ]);
  });

  it('publishes anew to a stream that was made anew, without believing old sequences', async () => {
    await fill(5);
    await expectWhole(5);
    const lane = `UPDATE event_lanes SET delivered_sequence = 100000 WHERE org_id = $1`;
    await until(async () => {
      await sql(lane, [orgId]);
      return true;
    });
    await sql('DELETE FROM event_publications WHERE org_id = $1 AND pos > 3', [orgId]);
    await rewind(3, 100_000);
    const rows = await expectWhole(5);
    expect(rows.slice(3).every(({ evidence }) => evidence[0]!.duplicate)).toBe(true);
  });

  it('loses nothing while NATS is away, and keeps the order', async () => {
    await fill(30);
    await nats.kill();
    await fill(300);
    await failing();
    await nats.restart();
    await expectWhole(330);
  });

  it('loses nothing while NATS hangs, and other organizations write on', async () => {
    await fill(10);
    await expectWhole(10);
    nats.freeze();
    await fill(200);
    const admin = await product.signIn(owner, 'acme');
    expect(admin.accessToken).not.toBe('');
    await failing();
    nats.thaw();
    await expectWhole(210);
  });

  it('works a backlog off', async () => {
    await nats.kill();
    await fill(3_000);
    await nats.restart();
    await expectWhole(3_000);
  });

  it('goes on when the clock jumps', async () => {
    await fill(5);
    product.clock.advance(86_400_000);
    await fill(5);
    await expectWhole(10);
  });

  it('puts aside what is refused for good, goes on, and publishes it later under its own id', async () => {
    await nats.kill();
    await nats.restart('max_payload: 4096');
    await fill(3);
    await fill(1, 8_000);
    await fill(3);
    const dead = await until(async () => {
      const rows = await sql('SELECT * FROM event_dead_letters WHERE org_id = $1', [orgId]);
      return (await all()).filter(({ evidence }) => evidence.length > 0).length === 6 && rows[0];
    });
    expect(dead).toMatchObject({ pos: '4', code: 'too_large', attempts: 1 });
    expect((await stored()).map(({ id }) => id)).toEqual(
      (await all()).filter(({ pos }) => pos !== 4).map(({ id }) => id),
    );
    await nats.kill();
    await nats.restart();
    await sql('UPDATE event_dead_letters SET retry = true WHERE org_id = $1', [orgId]);
    const rows = await evidenced(7);
    expect(rows[3]!.evidence).toMatchObject([{ attempt: 2, duplicate: false }]);
    expect((await stored()).map(({ id }) => id).sort()).toEqual(rows.map(({ id }) => id).sort());
    expect(await sql('SELECT 1 FROM event_dead_letters WHERE org_id = $1', [orgId])).toEqual([]);
  });

  it('has one worker to an organization at a time, and another takes up what one leaves', async () => {
    const database = product.app.get(Database);
    const second = new EventRelays(database, product.clock, config, new NatsDestination(config, noSecrets));
    second.start((error) => product.log.push(String(error)));
    for (let round = 0; round < 10; round += 1) await fill(40);
    await second.onModuleDestroy();
    await fill(40);
    const rows = await expectWhole(440);
    expect(rows.every(({ evidence }) => evidence.length === 1)).toBe(true);
  });

  describe('a worker that was thought dead', () => {
    // Only those of the test, from here on.
    beforeAll(() => product.app.get(EventRelays).onModuleDestroy());

    const parts = (who: string): LaneParts => ({
      database: product.app.get(Database),
      clock: product.clock,
      timing: { ...quick, leaseMs: 600_000 },
      turns: new Turns(2),
      owner: who,
      reason: 'event_relay',
      leases: eventLeases,
    });
    const take = async (who: string): Promise<EventLane> => {
      const shared = parts(who);
      const claimed = await until(() =>
        shared.database.acrossOrgs('event_relay', async (tx) => {
          await addLanes(tx, 'nats');
          await tx.query('UPDATE event_lanes SET lease_owner = NULL, retry_at = NULL WHERE org_id = $1', [
            orgId,
          ]);
          const limits = { leaseMs: 600_000, longestMs: 400, limit: 1_000 };
          const rows = await claimLanes(tx, 'nats', who, limits);
          return rows.find(({ key }) => key[0] === orgId);
        }),
      );
      const destination = new NatsDestination(config, noSecrets);
      return new EventLane(claimed, destination, shared, shared.clock.monotonic());
    };
    const step = (lane: EventLane): Promise<boolean> =>
      (lane as unknown as { step(): Promise<boolean> }).step();

    it('stores nothing out of order and evidences nothing', async () => {
      await fill(6);
      const old = await take(newId());
      expect(await step(old)).toBe(true);
      await fill(6);
      const heir = await take(newId());
      expect(await step(heir)).toBe(true);
      const before = await all();
      // It still holds what it knew when it was stopped, and its ids are no longer known to the server by window.
      await sleep(300);
      await expect(step(old)).rejects.toThrow();
      const late = { pos: 99, publications: [] };
      const write = parts(newId()).database.acrossOrgs('event_relay', (tx) =>
        commitPublished(tx, old.hold, late),
      );
      expect(await write).toBe(false);
      expect(await all()).toEqual(before);
      await expectWhole(12);
    });
  });

  /** Sets a lane back, whoever holds it. */
  async function rewind(pos: number, sequence: number): Promise<void> {
    await sql(
      `UPDATE event_lanes SET delivered_pos = $2, delivered_sequence = $3, lease_owner = NULL, lease_until = NULL,
              fence = fence + 1 WHERE org_id = $1`,
      [orgId, pos, sequence],
    );
  }
});
