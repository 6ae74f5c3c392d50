import { CloudEvent } from 'cloudevents';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditActions } from '#audit';
import { newId } from '#kernel';
import { eventBody, eventOfRecord, eventText } from './event.ts';
import { eventTypeNames, eventTypes, publishedAs } from './event-types.ts';
import { eventCatalogue } from './log/event-catalogue.ts';

const leaf = (changes: object): string =>
  JSON.stringify({
    v: 1,
    id: newId(),
    org: newId(),
    time: '2026-11-22T03:00:00.000Z',
    actor: { type: 'user', id: newId(), sessionId: newId() },
    action: 'member.added',
    target: { type: 'user', id: newId() },
    outcome: 'success',
    request: { id: newId(), method: 'POST', route: '/' },
    changes: {},
    commitments: {},
    ...changes,
  });

describe('an event of a record', () => {
  it('carries the new values that its type names, and no others', () => {
    const changes = { role: { from: 'a', to: 'viewer' }, email: {}, invitation: { to: 'secret' } };
    const event = eventOfRecord(leaf({ changes }));
    expect(event?.data).toMatchObject({ action: 'member.added', changes: { role: 'viewer' } });
    expect(JSON.stringify(event)).not.toContain('secret');
  });

  it('is none of what was refused, or is not in the map', () => {
    expect(eventOfRecord(leaf({ outcome: 'denied' }))).toBeUndefined();
    expect(eventOfRecord(leaf({ action: 'audit.read' }))).toBeUndefined();
    expect(eventOfRecord(leaf({ action: 'constructor' }))).toBeUndefined();
  });

  it('carries reasons that are codes, and none that a person has written', () => {
    const reasonOf = (reason: string) => eventOfRecord(leaf({ reason }))?.data['reason'];
    expect(reasonOf('signed_out')).toBe('signed_out');
    expect(reasonOf('Percy asked for it')).toBeUndefined();
  });

  it('is a valid CloudEvent whatever its data, and sorts by its sequence as text', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.nat(Number.MAX_SAFE_INTEGER),
        fc.nat(Number.MAX_SAFE_INTEGER),
        (data, one, other) => {
          const news = {
            orgId: newId(),
            type: eventTypeNames[0]!,
            subject: 'x/1',
            data: JSON.parse(JSON.stringify(data)),
          };
          const body = eventBody(news, newId(), new Date());
          const texts = [one, other].map((pos) => eventText({ body, pos }));
          const [first, second] = texts.map(
            (text) => JSON.parse(text) as { sequence: string; data: unknown },
          );
          expect(new CloudEvent(first as object, true).validate()).toBe(true);
          expect(first?.data).toEqual(news.data);
          expect(Math.sign(one - other)).toBe(
            first!.sequence < second!.sequence ? -1 : first!.sequence > second!.sequence ? 1 : 0,
          );
        },
      ),
    );
  });
});

describe('the map of event types', () => {
  it('publishes no action twice', () => {
    const all = eventTypeNames.flatMap((type) => [...eventTypes[type].of]);
    expect(new Set(all).size).toBe(all.length);
    expect(publishedAs.size).toBe(all.length);
    expect(all.filter((action) => !(action in auditActions))).toEqual([]);
  });

  it('has names that are subjects of NATS', () => {
    for (const type of eventTypeNames) expect(type).toMatch(/^portcullis(\.[a-z]+(-[a-z]+)*){2}$/);
  });

  it('carries nothing that may be personal or secret', () => {
    const carried = eventCatalogue.items.flatMap(({ carries }) => carries);
    expect(carried.filter((field) => /mail|display|address|agent|digests|path/i.test(field))).toEqual([]);
  });
});
