import { Choice, Flag, Id, ListOf, Nested, PageQuery, Text, Time, Whole } from '#http';
import { NatsDestination } from './nats-destination.ts';

export const destinationNames = [NatsDestination.destination] as const;

export class DestinationErrorView {
  @Text({ description: 'timeout, connection_lost, unauthorized, nats_10077, subject_moved, …' })
  code: string;

  @Time()
  at: string;
}

export class DestinationView {
  @Text()
  destination: string;

  @Whole({ description: 'Everything up to here was acknowledged there, or put aside.' })
  deliveredPos: number;

  @Whole({ description: 'The newest position there is.' })
  headPos: number;

  @Whole()
  lag: number;

  @Choice(['closed', 'open', 'half_open'], { description: 'open: failing, tried now and then.' })
  breaker: string;

  @Whole({ description: 'Failures in a row.' })
  failures: number;

  @Whole({ description: 'Events that were refused for good and not tried again with success.' })
  deadLetters: number;

  @Time({ optional: true })
  deliveredAt?: string;

  @Time({ optional: true, description: 'When it is tried again.' })
  retryAt?: string;

  @Nested(() => DestinationErrorView, { optional: true })
  lastError?: DestinationErrorView;
}

export class DestinationList {
  @ListOf(() => DestinationView)
  items: DestinationView[];
}

export class DeadLettersQuery extends PageQuery {
  @Choice(destinationNames, { optional: true })
  destination?: string;
}

export class DeadEventView {
  @Id({ description: 'Of the event.' })
  id: string;

  @Whole({ min: 1 })
  pos: number;

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

export class RetryRequest {
  @Choice(destinationNames)
  destination: string;

  @ListOf('id', {
    optional: true,
    min: 1,
    max: 1_000,
    description: 'Of events; all that were refused where absent.',
  })
  events?: string[];
}

export class RetryView {
  @Whole({ description: 'How many will be tried again, each under its own id.' })
  retrying: number;
}
