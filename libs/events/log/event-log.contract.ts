import { Anything, Choice, Flag, Id, ListOf, Text, Time, Whole } from '#http';
import { eventTypeNames } from '../event-types.ts';

const AFTER = {
  max: Number.MAX_SAFE_INTEGER,
  optional: true,
  description: 'Continue after this position (the `sequence` of an event); 0, the beginning, where unsaid.',
} as const;
const TYPE = { optional: true, description: 'Only events of this type.' } as const;

export class EventsQuery {
  @Whole(AFTER)
  after?: number;

  @Whole({ min: 1, max: 1_000, optional: true, description: 'How many at most; 100 where unsaid.' })
  limit?: number;

  @Choice(eventTypeNames, TYPE)
  type?: string;

  @Whole({ max: 30, optional: true, description: 'Seconds to wait for the first event; 0 where unsaid.' })
  wait?: number;
}

export class StreamQuery {
  @Whole(AFTER)
  after?: number;

  @Whole({ min: 1, max: 300, optional: true, description: 'End after so many seconds; 300 where unsaid.' })
  seconds?: number;

  @Choice(eventTypeNames, TYPE)
  type?: string;
}

/** A CloudEvent 1.0 in the JSON format. */
export class EventView {
  @Text({ description: '1.0' })
  specversion: string;

  @Id({ description: 'The same wherever and however often the event is published.' })
  id: string;

  @Text({ description: '/orgs/<id of the organization>' })
  source: string;

  @Text()
  type: string;

  @Text({ description: 'What it is about: <kind>/<id>.' })
  subject: string;

  @Time()
  time: string;

  @Text()
  datacontenttype: string;

  @Text({ description: 'The organization: events of one are in order.' })
  partitionkey: string;

  @Id({ optional: true, description: 'The audit record of the change.' })
  auditid?: string;

  @Anything({
    maxBytes: 256 * 1024,
    description: '{ action, actor, target, reason?, changes } or as the type says.',
  })
  data: object;

  @Text({ description: 'The position: digits, contiguous from 1 per organization, in the order of commits.' })
  sequence: string;
}

export class EventList {
  @ListOf(() => EventView, { max: 1_000 })
  items: EventView[];

  @Whole({ description: 'Give as `after` to go on, whether or not there is more yet.' })
  next: number;

  @Whole({ description: 'The newest position there is.' })
  head: number;
}

export class PublicationView {
  @Text()
  destination: string;

  @Whole({ min: 1 })
  attempt: number;

  @Text({ description: 'Where the destination put it, as it acknowledged.' })
  stream: string;

  @Whole()
  sequence: number;

  @Flag({ description: 'The destination had it already, from a try whose acknowledgement was lost.' })
  duplicate: boolean;

  @Text({ description: 'Hex SHA-256 of the bytes that were published.' })
  payloadSha256: string;

  @Time()
  at: string;
}

export class RefusalView {
  @Text()
  destination: string;

  @Text({ description: 'Why it was refused for good.' })
  code: string;

  @Whole()
  attempts: number;

  @Flag({ description: 'It is to be tried again.' })
  retrying: boolean;

  @Time()
  at: string;
}

export class EventDetailView extends EventView {
  @ListOf(() => PublicationView, { description: 'What was published where: one entry an acknowledgement.' })
  publications: PublicationView[];

  @ListOf(() => RefusalView, { description: 'Destinations that refused it for good.' })
  refused: RefusalView[];
}

export class EventTypeView {
  @Text()
  type: string;

  @Text()
  description: string;

  @ListOf('text', { description: 'The audit actions it follows from.' })
  of: string[];

  @ListOf('text', { description: 'The fields of `data.changes` that it may have.' })
  carries: string[];
}

export class EventTypeList {
  @ListOf(() => EventTypeView, { max: 1_000 })
  items: EventTypeView[];
}
